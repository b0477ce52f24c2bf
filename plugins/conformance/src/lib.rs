//! Asks a host every question of the proxy-wasm ABI. A request for `/<question>` is answered with what
//! the host said: statuses by their numbers, values as they came. `cases.toml` holds the answers that
//! Tidegate gives; over HTTP the same questions can be put to any host.

#![cfg(target_arch = "wasm32")]
#![allow(missing_docs, clippy::missing_safety_doc, reason = "the exports are those of the ABI")]

mod abi;
mod questions;

use abi::{given, pairs, proxy_get_header_map_value, proxy_send_local_response};

#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_vm_start(_root: u32, _size: usize) -> u32 {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_configure(_root: u32, _size: usize) -> u32 {
    questions::prepare();
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(_context: u32, _parent: u32) {}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(context: u32, count: usize, end: u32) -> u32 {
    let path = path();
    match path.as_str() {
        "/body" | "/body-edit" | "/pass" => 0,
        // Holds the head until its body has come.
        "/hold" => u32::from(end == 0),
        _ => answer(&questions::ask(context, &path, count)),
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_body(_context: u32, size: usize, end: u32) -> u32 {
    match path().as_str() {
        "/body" if end == 0 => 1,
        "/body" => answer(&questions::body(size)),
        "/body-edit" if end == 0 => 1,
        "/body-edit" => {
            questions::body_edit(size);
            0
        }
        "/hold" => u32::from(end == 0),
        _ => 0,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_headers(_context: u32, _count: usize, _end: u32) -> u32 {
    if path() == "/pass" {
        questions::response();
    }
    0
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(_context: u32) -> u32 {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_log(_context: u32) {}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_delete(_context: u32) {}

fn path() -> String {
    let (mut data, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the pointers are of this frame.
    unsafe { proxy_get_header_map_value(0, ":path".as_ptr(), 5, &mut data, &mut size) };
    let path = String::from_utf8_lossy(&given(data, size)).into_owned();
    path.split('?').next().unwrap_or_default().to_owned()
}

fn answer(text: &str) -> u32 {
    let fields = pairs(&[("content-type", "text/plain")]);
    let text = format!("{text}\n");
    // SAFETY: the pointers are of this frame.
    unsafe {
        proxy_send_local_response(
            200,
            std::ptr::null(),
            0,
            text.as_ptr(),
            text.len(),
            fields.as_ptr(),
            fields.len(),
            -1,
        );
    }
    1
}
