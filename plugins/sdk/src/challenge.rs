//! A challenge that costs a browser a moment and a flood of requests a lot: proof of work.
//!
//! The page asks for a number such that SHA-256 over `tg1|subject|time|number` begins with so many zero
//! bits, and keeps it in the cookie `tg_pass` as `v1.time.number`. The subject is the client's address
//! and the host, so that a solution is of no use to others; it needs no secret and no memory, so that
//! every node accepts what was solved at another.

/// Name of the cookie that holds a solution.
pub const COOKIE: &str = "tg_pass";
/// Zero bits that a solution needs: some 65,000 hashes.
pub const LEVEL: u32 = 16;
/// How long a solution is good.
pub const GOOD_S: u64 = 3_600;
/// How far a client's clock may be ahead.
const AHEAD_S: u64 = 60;

/// Whether a cookie field holds a solution of this subject.
#[must_use]
pub fn is_solved(cookies: &str, subject: &str, now_s: u64) -> bool {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).any(|(_, token)| is_solution(token, subject, now_s))
}

fn is_solution(token: &str, subject: &str, now_s: u64) -> bool {
    let Some((time, number)) = token.strip_prefix("v1.").and_then(|rest| rest.split_once('.'))
    else {
        return false;
    };
    let Ok(made_s) = time.parse::<u64>() else { return false };
    let in_time = made_s <= now_s + AHEAD_S && now_s <= made_s.saturating_add(GOOD_S);
    let digits = !number.is_empty()
        && number.len() <= 16
        && number.bytes().all(|byte| byte.is_ascii_digit());
    in_time && digits && work(subject, time, number) >= LEVEL
}

/// Zero bits that the hash begins with.
fn work(subject: &str, time: &str, number: &str) -> u32 {
    let hash = sha256(format!("tg1|{subject}|{time}|{number}").as_bytes());
    let mut bits = 0;
    for byte in hash {
        bits += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    bits
}

/// The page that solves it and then asks again.
#[must_use]
pub fn page(subject: &str, now_s: u64) -> String {
    let subject: String =
        subject.chars().filter(|c| c.is_ascii_alphanumeric() || ".:/|-_[]".contains(*c)).collect();
    PAGE.replace("@subject@", &subject)
        .replace("@time@", &now_s.to_string())
        .replace("@level@", &LEVEL.to_string())
        .replace("@good@", &GOOD_S.to_string())
}

const PAGE: &str = include_str!("challenge.html");

/// SHA-256 (FIPS 180-4).
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut state = INITIAL;
    let mut message = data.to_vec();
    message.push(0x80);
    // Whole blocks, with the length in the last eight bytes.
    message.resize((message.len() + 8).next_multiple_of(64), 0);
    let at = message.len() - 8;
    message[at..].copy_from_slice(&(data.len() as u64 * 8).to_be_bytes());
    for block in message.chunks_exact(64) {
        compress(&mut state, block);
    }
    let mut out = [0; 32];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    out
}

fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut w = [0_u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
        w[t] = w[t - 16].wrapping_add(s0).wrapping_add(w[t - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (k, w) in K.iter().zip(w) {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let ch = (e & f) ^ (!e & g);
        let t1 = h.wrapping_add(s1).wrapping_add(ch).wrapping_add(*k).wrapping_add(w);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(t1), c, b, a, t1.wrapping_add(t2));
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = old.wrapping_add(new);
    }
}

const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

const K: [u32; 64] = [
    0x428a_2f98,
    0x7137_4491,
    0xb5c0_fbcf,
    0xe9b5_dba5,
    0x3956_c25b,
    0x59f1_11f1,
    0x923f_82a4,
    0xab1c_5ed5,
    0xd807_aa98,
    0x1283_5b01,
    0x2431_85be,
    0x550c_7dc3,
    0x72be_5d74,
    0x80de_b1fe,
    0x9bdc_06a7,
    0xc19b_f174,
    0xe49b_69c1,
    0xefbe_4786,
    0x0fc1_9dc6,
    0x240c_a1cc,
    0x2de9_2c6f,
    0x4a74_84aa,
    0x5cb0_a9dc,
    0x76f9_88da,
    0x983e_5152,
    0xa831_c66d,
    0xb003_27c8,
    0xbf59_7fc7,
    0xc6e0_0bf3,
    0xd5a7_9147,
    0x06ca_6351,
    0x1429_2967,
    0x27b7_0a85,
    0x2e1b_2138,
    0x4d2c_6dfc,
    0x5338_0d13,
    0x650a_7354,
    0x766a_0abb,
    0x81c2_c92e,
    0x9272_2c85,
    0xa2bf_e8a1,
    0xa81a_664b,
    0xc24b_8b70,
    0xc76c_51a3,
    0xd192_e819,
    0xd699_0624,
    0xf40e_3585,
    0x106a_a070,
    0x19a4_c116,
    0x1e37_6c08,
    0x2748_774c,
    0x34b0_bcb5,
    0x391c_0cb3,
    0x4ed8_aa4a,
    0x5b9c_ca4f,
    0x682e_6ff3,
    0x748f_82ee,
    0x78a5_636f,
    0x84c8_7814,
    0x8cc7_0208,
    0x90be_fffa,
    0xa450_6ceb,
    0xbef9_a3f7,
    0xc671_78f2,
];

#[cfg(test)]
mod tests {
    use super::{GOOD_S, LEVEL, is_solved, page, sha256, work};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256(b"abc")), abc);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&sha256(b"")), empty);
        // Lengths around the end of a block.
        let sums =
            [55, 56, 63, 64, 65, 119, 120].map(|n| hex(&sha256(&vec![b'a'; n]))[..8].to_owned());
        let expected =
            ["9f4390f8", "b35439a4", "7d3e74a0", "ffe054fe", "635361c4", "31eba51c", "2f3d3354"];
        assert_eq!(sums, expected);
    }

    #[test]
    fn only_a_fresh_solution_of_the_own_subject_counts() {
        let (subject, now_s) = ("192.0.2.1|example.com", 1_800_000_000);
        let number = (0..).find(|n| work(subject, &now_s.to_string(), &n.to_string()) >= LEVEL);
        let cookie = format!("a=b; tg_pass=v1.{now_s}.{}; c=d", number.unwrap());
        assert!(is_solved(&cookie, subject, now_s + 5));
        assert!(!is_solved(&cookie, "192.0.2.2|example.com", now_s + 5));
        assert!(!is_solved(&cookie, subject, now_s + GOOD_S + 1), "too old");
        assert!(!is_solved(&cookie, subject, now_s - 3_600), "from the future");
        for wrong in ["", "tg_pass=", "tg_pass=v1.1.2", "tg_pass=v1.x.1", "tg_pass=v1.1800000000.x"]
        {
            assert!(!is_solved(wrong, subject, now_s), "{wrong}");
        }
    }

    #[test]
    fn nothing_of_a_request_can_become_a_part_of_the_page() {
        let page = page("1.2.3.4|\"</script><script>", 7);
        assert!(!page.contains("\"</script><script>") && page.contains("1.2.3.4|"), "{page}");
        assert!(!page.contains('@'), "a place was not filled");
    }
}
