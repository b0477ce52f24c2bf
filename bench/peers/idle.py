"""Opens many connections, makes one request on each, says "open" and waits: idle.py PORT plain|tls COUNT"""
import socket
import ssl
import sys
import time

port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
context.set_alpn_protocols(["http/1.1"])
held = []
for n in range(count):
    connection = socket.create_connection(("127.0.0.1", port))
    if kind == "tls":
        connection = context.wrap_socket(connection, server_hostname="localhost")
    connection.sendall(b"GET /o/1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65536)
        if not piece:
            sys.exit(f"connection {n} was closed")
        got += piece
    head, body = got.split(b"\r\n\r\n", 1)
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(body) < length:
        body += connection.recv(65536)
    held.append(connection)
print("open", flush=True)
time.sleep(600)
