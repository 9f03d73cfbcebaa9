// proxy.mjs - a proxy between a client and its server that cuts, refuses and swallows.
import net from 'node:net';

export class Proxy {
  constructor(target) {
    this.target = target;
    this.open = true;
    this.swallow = false; // what the server says is taken and thrown away
    this.sockets = new Set();
    this.server = net.createServer((a) => this.join(a));
  }
  async listen() {
    await new Promise((r) => this.server.listen(0, '127.0.0.1', r));
    this.port = this.server.address().port;
  }
  join(a) {
    if (!this.open) return a.destroy();
    const b = net.connect(this.target, '127.0.0.1');
    for (const s of [a, b]) {
      this.sockets.add(s);
      s.on('error', () => {});
      s.on('close', () => { this.sockets.delete(s); a.destroy(); b.destroy(); });
    }
    a.on('data', (d) => b.write(d));
    b.on('data', (d) => { if (!this.swallow) a.write(d); });
  }
  cut() {
    this.open = false;
    for (const s of this.sockets) s.destroy();
  }
  heal() {
    this.swallow = false;
    this.open = true;
  }
  close() {
    this.cut();
    return new Promise((r) => this.server.close(r));
  }
}
