// A rule without an SDK, in AssemblyScript: answers 503 while the site is under maintenance.
// The configuration is a text: the paths that are closed, one to a line.

// @ts-ignore: decorators of AssemblyScript
@external("env", "proxy_get_buffer_bytes")
declare function getBuffer(buffer: u32, start: u32, most: u32, data: usize, size: usize): u32;
// @ts-ignore
@external("env", "proxy_get_header_map_value")
declare function getField(map: u32, name: usize, nameSize: u32, value: usize, size: usize): u32;
// @ts-ignore
@external("env", "proxy_send_local_response")
declare function answer(status: u32, details: usize, detailsSize: u32, body: usize, bodySize: u32, fields: usize, fieldsSize: u32, grpc: i32): u32;
// @ts-ignore
@external("env", "proxy_call_foreign_function")
declare function callForeign(name: usize, nameSize: u32, args: usize, argsSize: u32, result: usize, size: usize): u32;

const CONTINUE: u32 = 0;
const PAUSE: u32 = 1;

// Where the host puts pointers and sizes.
const place = memory.data(8);
// What the host gives is read at once and then forgotten; the configuration is kept.
const kept = memory.data(16384);
const passing = memory.data(65536);
let configured = false;
let configSize: u32 = 0;

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: u32): usize {
  if (configured) return size <= 65536 ? passing : 0;
  return size <= 16384 ? kept : 0;
}

// @ts-ignore
@inline function text(word: string): ArrayBuffer { return String.UTF8.encode(word); }

export function proxy_on_configure(root: u32, size: u32): u32 {
  if (size > 16384) return 0;
  if (size > 0 && getBuffer(7, 0, size, place, place + 4) != 0) return 0;
  configSize = size;
  configured = true;
  // Only request heads, and contexts may be used again.
  const name = text("tidegate_phases");
  store<u32>(place, 1 | 256);
  callForeign(changetype<usize>(name), name.byteLength, place, 4, 0, 0);
  return 1;
}

function begins(path: usize, size: u32, line: usize, length: u32): bool {
  if (length == 0 || length > size) return false;
  return memory.compare(path, line, length) == 0;
}

function isClosed(path: usize, size: u32): bool {
  let line: u32 = 0;
  for (let at: u32 = 0; at <= configSize; at++) {
    if (at < configSize && load<u8>(kept + at) != 10) continue;
    if (begins(path, size, kept + line, at - line)) return true;
    line = at + 1;
  }
  return false;
}

export function proxy_on_request_headers(context: u32, count: u32, end: u32): u32 {
  const name = text(":path");
  if (getField(0, changetype<usize>(name), name.byteLength, place, place + 4) != 0) return CONTINUE;
  if (!isClosed(load<u32>(place), load<u32>(place + 4))) return CONTINUE;
  const body = text("Back soon.\n");
  // One pair, retry-after: 600, as the ABI writes it.
  const fields = text("\u0001\u0000\u0000\u0000\u000b\u0000\u0000\u0000\u0003\u0000\u0000\u0000retry-after\u0000600\u0000");
  answer(503, 0, 0, changetype<usize>(body), body.byteLength, changetype<usize>(fields), fields.byteLength, -1);
  return PAUSE;
}
