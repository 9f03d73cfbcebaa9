// The server's side of WebSocket (RFC 6455), as much as a mock needs: handshake, text and binary frames
// out, unfragmented text frames in.
import { createHash } from 'node:crypto';

export function accept(req, socket) {
  const key = createHash('sha1').update(`${req.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
}

export function send(socket, data) {
  if (socket.destroyed) return;
  const text = typeof data === 'string';
  const body = Buffer.from(data);
  const n = body.length;
  const head = n < 126 ? Buffer.from([0, n]) : n < 65536 ? Buffer.from([0, 126, n >> 8, n & 255]) : Buffer.alloc(10);
  if (n >= 65536) {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(n), 2);
  }
  head[0] = 0x80 | (text ? 1 : 2);
  socket.write(Buffer.concat([head, body]));
}

export function reader(onText, onClose) {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      if (rest.length < 2) return;
      const op = rest[0] & 15;
      let n = rest[1] & 127;
      let at = 2;
      if (n === 126) {
        if (rest.length < 4) return;
        n = rest.readUInt16BE(2);
        at = 4;
      } else if (n === 127) {
        if (rest.length < 10) return;
        n = Number(rest.readBigUInt64BE(2));
        at = 10;
      }
      if (rest.length < at + 4 + n) return;
      const mask = rest.subarray(at, at + 4);
      const body = Buffer.from(rest.subarray(at + 4, at + 4 + n));
      for (let i = 0; i < n; i++) body[i] ^= mask[i & 3];
      rest = rest.subarray(at + 4 + n);
      if (op === 8) onClose();
      else if (op === 1) onText(body.toString('utf8'));
    }
  };
}
