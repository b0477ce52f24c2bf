// A rule without an SDK, in Go: answers 503 while the site is under maintenance. The configuration is
// a text: the paths that are closed, one to a line.
package main

import (
	"strings"
	"unsafe"
)

//go:wasmimport env proxy_get_buffer_bytes
func getBuffer(buffer, start, most uint32, data, size unsafe.Pointer) uint32

//go:wasmimport env proxy_get_header_map_value
func getField(m uint32, name unsafe.Pointer, nameSize uint32, value, size unsafe.Pointer) uint32

//go:wasmimport env proxy_send_local_response
func answer(status uint32, details unsafe.Pointer, detailsSize uint32, body unsafe.Pointer, bodySize uint32,
	fields unsafe.Pointer, fieldsSize uint32, grpc int32) uint32

const (
	pass  = 0
	pause = 1
)

var (
	closed []string
	// What the host gives stays reachable until it was copied.
	given [][]byte
)

//go:wasmexport proxy_abi_version_0_2_1
func abiVersion() {}

//go:wasmexport proxy_on_memory_allocate
func allocate(size uint32) unsafe.Pointer {
	block := make([]byte, max(size, 1))
	given = append(given, block)
	return unsafe.Pointer(unsafe.SliceData(block))
}

// take copies what the host gave.
func take(data *byte, size uint32) string {
	text := ""
	if data != nil {
		text = string(unsafe.Slice(data, size))
	}
	given = given[:0]
	return text
}

//go:wasmexport proxy_on_configure
func configure(root, size uint32) uint32 {
	var data *byte
	var length uint32
	if size > 0 && getBuffer(7, 0, size, unsafe.Pointer(&data), unsafe.Pointer(&length)) != 0 {
		return 0
	}
	for _, path := range strings.Split(take(data, length), "\n") {
		if path != "" {
			closed = append(closed, path)
		}
	}
	return 1
}

//go:wasmexport proxy_on_request_headers
func requestHeaders(context, count, end uint32) uint32 {
	var data *byte
	var length uint32
	name := []byte(":path")
	if getField(0, unsafe.Pointer(&name[0]), uint32(len(name)), unsafe.Pointer(&data), unsafe.Pointer(&length)) != 0 {
		return pass
	}
	path := take(data, length)
	for _, start := range closed {
		if strings.HasPrefix(path, start) {
			body := []byte("Back soon.\n")
			fields := []byte("\x01\x00\x00\x00\x0b\x00\x00\x00\x03\x00\x00\x00retry-after\x00600\x00")
			answer(503, nil, 0, unsafe.Pointer(&body[0]), uint32(len(body)), unsafe.Pointer(&fields[0]), uint32(len(fields)), -1)
			return pause
		}
	}
	return pass
}

func main() {}
