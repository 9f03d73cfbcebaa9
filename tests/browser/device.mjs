// device.mjs - a Modbus TCP server that we did not write (jsmodbus) with one value per form of address,
// type and byte order; what it holds can be read back without Bornite.
import net from 'node:net';
import { server as ModbusServers } from 'jsmodbus';

// code, address, type, byte order, scale, value in engineering units
export const POINTS = [
  ['UI.INT', '400001', 'int16', 'ABCD', 1, -1234],
  ['UI.UINT', '400002', 'uint16', 'ABCD', 0.1, 4321.5],
  ['UI.F.ABCD', '400003', 'float', 'ABCD', 1, 12.625],
  ['UI.F.CDAB', '400005', 'float', 'CDAB', 1, -7.5],
  ['UI.F.BADC', '400007', 'float', 'BADC', 1, 1024.25],
  ['UI.F.DCBA', '400009', 'float', 'DCBA', 1, 3.75],
  ['UI.I32', '400011', 'int32', 'ABCD', 1, -70000],
  ['UI.U32', '400013', 'uint32', 'CDAB', 1, 3000000000],
  ['UI.F64', '400015', 'double', 'ABCD', 1, 123456.789],
  ['UI.BIT', '400020.3', 'bool', 'ABCD', 1, 1],
  ['UI.IN', '300005', 'uint16', 'ABCD', 1, 777],
  ['UI.COIL', '000003', 'bool', 'ABCD', 1, 1],
  ['UI.DI', '100002', 'bool', 'ABCD', 1, 1],
];

const SIZE = { int16: 2, uint16: 2, int32: 4, uint32: 4, float: 4, double: 8 };
const NAME = { int16: 'Int16BE', uint16: 'UInt16BE', int32: 'Int32BE', uint32: 'UInt32BE', float: 'FloatBE', double: 'DoubleBE' };

// Swapping twice gives the original: the same way in and out.
function swap(buf, order) {
  const out = Buffer.from(buf);
  if (order === 'BADC' || order === 'DCBA') out.swap16();
  if (order !== 'CDAB' && order !== 'DCBA') return out;
  const words = [];
  for (let i = 0; i < out.length; i += 2) words.unshift(out.subarray(i, i + 2));
  return Buffer.concat(words);
}

export class Device {
  holding = Buffer.alloc(2000);
  input = Buffer.alloc(2000);
  coils = Buffer.alloc(100);
  discrete = Buffer.alloc(100);

  // The same port again for a device that comes back.
  async start(port = 0) {
    this.tcp = new net.Server();
    this.sockets = new Set();
    this.tcp.on('connection', (s) => {
      this.sockets.add(s);
      s.on('close', () => this.sockets.delete(s));
      s.on('error', () => {});
    });
    this.server = new ModbusServers.TCP(this.tcp, { holding: this.holding, input: this.input, coils: this.coils, discrete: this.discrete });
    await new Promise((r) => this.tcp.listen(port, '127.0.0.1', r));
    this.port = this.tcp.address().port;
    if (!port) for (const [code, , , , , value] of POINTS) this.put(code, value);
  }
  async stop() {
    for (const s of this.sockets) s.destroy();
    await new Promise((r) => this.tcp.close(r));
  }
  place(code) {
    const [, address, type, order, scale] = POINTS.find((p) => p[0] === code);
    const [number, bit] = address.slice(1).split('.');
    const bits = { 0: this.coils, 1: this.discrete }[address[0]];
    return { at: Number(number) - 1, bit: bit === undefined ? null : Number(bit), bits, words: address[0] === '3' ? this.input : this.holding, type, order, scale };
  }
  put(code, value) {
    const { at, bit, bits, words, type, order, scale } = this.place(code);
    if (bits) bits[at >> 3] = value ? bits[at >> 3] | (1 << (at & 7)) : bits[at >> 3] & ~(1 << (at & 7));
    else if (bit !== null) words.writeUInt16BE(value ? words.readUInt16BE(at * 2) | (1 << bit) : words.readUInt16BE(at * 2) & ~(1 << bit), at * 2);
    else {
      const raw = Buffer.alloc(SIZE[type]);
      raw[`write${NAME[type]}`](Math.round((value / scale) * 1000) / 1000);
      swap(raw, order).copy(words, at * 2);
    }
  }
  get(code) {
    const { at, bit, bits, words, type, order, scale } = this.place(code);
    if (bits) return (bits[at >> 3] >> (at & 7)) & 1;
    if (bit !== null) return (words.readUInt16BE(at * 2) >> bit) & 1;
    const raw = swap(words.subarray(at * 2, at * 2 + SIZE[type]), order)[`read${NAME[type]}`](0);
    return Math.round(raw * scale * 1e6) / 1e6;
  }
}
