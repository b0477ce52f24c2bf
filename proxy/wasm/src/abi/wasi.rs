//! The WASI functions that modules of the SDKs import: standard output goes to the log, there are no
//! files, no arguments, and time and random numbers are the host's.

use wasmtime::Linker;

use crate::{
    LogLevel,
    memory::{Cx, put, put_u32, slice, split, take_u32},
    state::State,
    status::Status,
};

/// Error numbers of WASI.
const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const NOTSUP: u32 = 58;

/// Bytes of one request for random numbers.
const RANDOM_BYTES_MAX: u32 = 64 << 10;
/// Parts of one write.
const PARTS_MAX: u32 = 1_024;

/// Offers WASI under its present and its old name.
pub(super) fn offer(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        descriptors(linker, module)?;
        surroundings(linker, module)?;
        refused(linker, module)?;
    }
    Ok(())
}

fn descriptors(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(
        module,
        "fd_write",
        |mut cx: Cx<'_>, fd: u32, at: u32, n: u32, out: u32| {
            errno(fd_write(&mut cx, fd, at, n, out))
        },
    )?;
    linker.func_wrap(module, "fd_read", |_: Cx<'_>, _: u32, _: u32, _: u32, _: u32| BADF)?;
    linker.func_wrap(module, "fd_seek", |_: Cx<'_>, _: u32, _: i64, _: u32, _: u32| BADF)?;
    linker.func_wrap(module, "fd_close", |_: Cx<'_>, _: u32| BADF)?;
    linker.func_wrap(module, "fd_fdstat_get", |mut cx: Cx<'_>, fd: u32, out: u32| {
        errno(fd_fdstat_get(&mut cx, fd, out))
    })?;
    linker.func_wrap(module, "fd_fdstat_set_flags", |_: Cx<'_>, _: u32, _: u32| SUCCESS)?;
    // BADF at the first descriptor tells the C library that there are no folders.
    linker.func_wrap(module, "fd_prestat_get", |_: Cx<'_>, _: u32, _: u32| BADF)?;
    linker.func_wrap(module, "fd_prestat_dir_name", |_: Cx<'_>, _: u32, _: u32, _: u32| BADF)?;
    Ok(())
}

fn surroundings(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    linker.func_wrap(module, "args_sizes_get", |mut cx: Cx<'_>, count: u32, bytes: u32| {
        errno(two(&mut cx, count, 0, bytes, 0))
    })?;
    linker.func_wrap(module, "args_get", |_: Cx<'_>, _: u32, _: u32| SUCCESS)?;
    linker.func_wrap(module, "environ_sizes_get", |mut cx: Cx<'_>, count: u32, bytes: u32| {
        let environment = environment(&cx);
        let size: usize = environment.iter().map(Vec::len).sum();
        errno(two(&mut cx, count, number(environment.len()), bytes, number(size)))
    })?;
    linker.func_wrap(module, "environ_get", |mut cx: Cx<'_>, places: u32, texts: u32| {
        errno(environ_get(&mut cx, places, texts))
    })?;
    linker.func_wrap(module, "clock_res_get", |mut cx: Cx<'_>, _: u32, out: u32| {
        errno(write(&mut cx, out, &1_000u64.to_le_bytes()))
    })?;
    linker.func_wrap(
        module,
        "clock_time_get",
        |mut cx: Cx<'_>, clock: u32, _: i64, out: u32| {
            let now = cx.data().common.clock.now_ns();
            if clock > 3 { INVAL } else { errno(write(&mut cx, out, &now.to_le_bytes())) }
        },
    )?;
    linker.func_wrap(module, "random_get", |mut cx: Cx<'_>, out: u32, length: u32| {
        if length > RANDOM_BYTES_MAX { INVAL } else { errno(random_get(&mut cx, out, length)) }
    })?;
    linker.func_wrap(module, "sched_yield", |_: Cx<'_>| SUCCESS)?;
    linker.func_wrap(
        module,
        "poll_oneoff",
        |mut cx: Cx<'_>, _: u32, _: u32, _: u32, out: u32| {
            errno(write(&mut cx, out, &0u32.to_le_bytes()))
        },
    )?;
    linker.func_wrap(module, "proc_exit", |mut cx: Cx<'_>, code: u32| -> wasmtime::Result<()> {
        cx.data_mut().ended_well = code == 0;
        Err(wasmtime::format_err!("the module ended itself with proc_exit({code})"))
    })?;
    Ok(())
}

/// What modules import and never use in earnest.
fn refused(linker: &mut Linker<State>, module: &str) -> wasmtime::Result<()> {
    macro_rules! refuse {
        ($($name:literal ($($kind:ty),*);)*) => {
            $(linker.func_wrap(module, $name, |_: Cx<'_>, $(_: $kind),*| NOTSUP)?;)*
        };
    }
    refuse! {
        "fd_advise"(u32, i64, i64, u32);
        "fd_allocate"(u32, i64, i64);
        "fd_datasync"(u32);
        "fd_fdstat_set_rights"(u32, i64, i64);
        "fd_filestat_get"(u32, u32);
        "fd_filestat_set_size"(u32, i64);
        "fd_filestat_set_times"(u32, i64, i64, u32);
        "fd_pread"(u32, u32, u32, i64, u32);
        "fd_pwrite"(u32, u32, u32, i64, u32);
        "fd_readdir"(u32, u32, u32, i64, u32);
        "fd_renumber"(u32, u32);
        "fd_sync"(u32);
        "fd_tell"(u32, u32);
        "path_create_directory"(u32, u32, u32);
        "path_filestat_get"(u32, u32, u32, u32, u32);
        "path_filestat_set_times"(u32, u32, u32, u32, i64, i64, u32);
        "path_link"(u32, u32, u32, u32, u32, u32, u32);
        "path_open"(u32, u32, u32, u32, u32, i64, i64, u32, u32);
        "path_readlink"(u32, u32, u32, u32, u32, u32);
        "path_remove_directory"(u32, u32, u32);
        "path_rename"(u32, u32, u32, u32, u32, u32);
        "path_symlink"(u32, u32, u32, u32, u32);
        "path_unlink_file"(u32, u32, u32);
        "proc_raise"(u32);
        "sock_accept"(u32, u32, u32);
        "sock_recv"(u32, u32, u32, u32, u32, u32);
        "sock_send"(u32, u32, u32, u32, u32);
        "sock_shutdown"(u32, u32);
    }
    Ok(())
}

fn errno(done: Result<(), Errno>) -> u32 {
    done.map_or_else(|Errno(number)| number, |()| SUCCESS)
}

/// Why a WASI function failed.
struct Errno(u32);

impl From<Status> for Errno {
    fn from(_: Status) -> Self {
        Self(FAULT)
    }
}

fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn write(cx: &mut Cx<'_>, at: u32, bytes: &[u8]) -> Result<(), Errno> {
    Ok(put(split(cx)?.0, at, bytes)?)
}

fn two(
    cx: &mut Cx<'_>,
    first_at: u32,
    first: u32,
    second_at: u32,
    second: u32,
) -> Result<(), Errno> {
    let (memory, _) = split(cx)?;
    put_u32(memory, first_at, first)?;
    Ok(put_u32(memory, second_at, second)?)
}

/// Standard output is logged as information, standard error as an error.
fn fd_write(cx: &mut Cx<'_>, fd: u32, at: u32, count: u32, out: u32) -> Result<(), Errno> {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Err(Errno(BADF)),
    };
    if count > PARTS_MAX {
        return Err(Errno(INVAL));
    }
    let (memory, state) = split(cx)?;
    let most = state.plugin.config.limits.log_line_bytes_max;
    let mut text = Vec::new();
    let mut written = 0u32;
    for index in 0..count {
        let entry = at.checked_add(index * 8).ok_or(Errno(FAULT))?;
        let length_at = entry.checked_add(4).ok_or(Errno(FAULT))?;
        let part = slice(memory, take_u32(memory, entry)?, take_u32(memory, length_at)?)?;
        written = written.saturating_add(number(part.len()));
        text.extend_from_slice(&part[..part.len().min(most - text.len())]);
    }
    put_u32(memory, out, written)?;
    let text = text.trim_ascii_end();
    if !text.is_empty() {
        state.write_log(level, text);
    }
    Ok(())
}

/// Standard streams are character devices without rights.
fn fd_fdstat_get(cx: &mut Cx<'_>, fd: u32, out: u32) -> Result<(), Errno> {
    if fd > 2 {
        return Err(Errno(BADF));
    }
    let mut stat = [0; 24];
    stat[0] = 2;
    // The right to write, so that C libraries do not give up on standard output.
    stat[8] = 64;
    write(cx, out, &stat)
}

fn environment(cx: &Cx<'_>) -> Vec<Vec<u8>> {
    let pairs = cx.data().plugin.config.environment.iter();
    pairs.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

fn environ_get(cx: &mut Cx<'_>, places: u32, texts: u32) -> Result<(), Errno> {
    let environment = environment(cx);
    let (memory, _) = split(cx)?;
    let (mut place, mut at) = (places, texts);
    for text in environment {
        put_u32(memory, place, at)?;
        put(memory, at, &text)?;
        place = place.checked_add(4).ok_or(Errno(FAULT))?;
        at = at.checked_add(number(text.len())).ok_or(Errno(FAULT))?;
    }
    Ok(())
}

fn random_get(cx: &mut Cx<'_>, out: u32, length: u32) -> Result<(), Errno> {
    let mut bytes = vec![0; length as usize];
    if !cx.data_mut().random.fill(&mut bytes) {
        return Err(Errno(NOTSUP));
    }
    write(cx, out, &bytes)
}
