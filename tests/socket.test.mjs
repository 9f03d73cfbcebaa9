// Devices with protocols of their own over raw TCP and UDP (driver tcp_udp), and values sent by it (outlet tcp_udp_out), against
// node's net and dgram: weighbridges, binary analysers, data loggers that connect, floods, halves, wrong checks, a thousand
// connections that come and go; receivers that acknowledge, fail and come back.
import { execFileSync } from 'node:child_process';
import dgram from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { cleanup, equal, freePort, near, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

let serve, api, bridge;
const current = async (codes) => (await api.get(`/current?points=${codes.join(',')}`)).items;
const value = async (code) => (await current([code]))[0];
const status = async (code) => (await api.get('/channels:status')).items.find((c) => c.code === code);

function crcModbus(buf) {
  let crc = 0xffff;
  for (const b of buf) {
    crc ^= b;
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return crc;
}

// A TCP server that keeps its connections and what they said.
async function instrument(onConnection = () => {}) {
  const it = { sockets: new Set(), said: '' };
  it.server = net.createServer((s) => {
    it.sockets.add(s);
    s.on('data', (d) => { it.said += d.toString('latin1'); it.onData?.(s, d); });
    s.on('error', () => {});
    s.on('close', () => it.sockets.delete(s));
    onConnection(s);
  });
  it.listen = (port = 0) => new Promise((r) => it.server.listen(port, '127.0.0.1', () => { it.port = it.server.address().port; r(); }));
  it.say = (x) => { for (const s of it.sockets) s.write(x); };
  it.stop = () => new Promise((r) => { for (const s of it.sockets) s.destroy(); it.server.close(r); });
  await it.listen();
  cleanup(() => { for (const s of it.sockets) s.destroy(); it.server.close(); });
  return it;
}

async function channel(code, options, devices) {
  await api.post('/channels', { code, name: code, spec: { driver: 'tcp_udp', options: { reconnect_max: '1s', ...options } } });
  for (const [device, own, points] of devices) {
    await api.post('/devices', { code: device, name: device, spec: { channel: code, options: own } });
    for (const [point, address, spec = {}] of points) {
      await api.post('/points', { code: point, name: point, spec: { device, address, period: '1s', ...spec } });
    }
  }
  const n = devices.flatMap((d) => d[2]).length;
  await until(async () => (await status(code))?.points === n, 'all points to run');
}
const connect = (port, host = '127.0.0.1') => new Promise((resolve, reject) => {
  const s = net.connect(port, host, () => resolve(s));
  s.text = '';
  s.on('data', (d) => { s.text += d.toString('latin1'); });
  s.on('error', reject);
});

test('a weighbridge: text, conditions, halves, its line lost and back', async () => {
  serve = await startServe(tempDir());
  api = await signIn(serve);
  bridge = await instrument();
  const options = { host: '127.0.0.1', port: bridge.port };
  ok((await api.post('/channels:test', { spec: { driver: 'tcp_udp', options } })).ok, 'test');
  await channel('WB', options, [['WB-1', {}, [
    ['WB.GROSS', 'number 1', { type: 'double' }],
    ['WB.STABLE', 'number', { type: 'double', options: { select: 'field 1=ST' } }],
    ['WB.STATE', 'field 1', { type: 'string' }],
  ]]]);
  await until(() => bridge.sockets.size === 1, 'the connection');
  bridge.say('US,GS,+  1');
  await sleep(20);
  bridge.say('2.34kg\r\nUS,GS,-   0.5kg\r\n');
  await until(async () => (await value('WB.GROSS')).v === -0.5, 'the value');
  equal((await value('WB.STABLE')).v ?? null, null, 'it does not stand still');
  bridge.say('ST,GS,+  40.25kg\r\n');
  await until(async () => (await value('WB.STABLE')).v === 40.25, 'the stable one');
  equal((await value('WB.STATE')).v, 'ST');
  await until(async () => (await api.get('/history/recorded?points=WB.GROSS&from=*-10m')).series[0].v.includes(12.34), 'every frame is a sample');
  const { port } = bridge;
  await bridge.stop();
  await until(async () => (await value('WB.GROSS')).q === 'bad' && (await status('WB')).state === 'down', 'bad');
  equal((await value('WB.GROSS')).v, 40.25, 'the last value stays');
  await bridge.listen(port);
  await until(() => bridge.sockets.size === 1, 'the connection again');
  bridge.say('ST,GS,+ 1.0kg\r\n');
  await until(async () => (await value('WB.GROSS')).v === 1 && (await value('WB.GROSS')).q === 'good', 'good again');
});

test('what came last can be browsed, read and seen in diagnostics', async () => {
  const { items } = await api.post('/channels:browse', { channel: 'WB', device: 'WB-1', node: '' });
  ok(items.length >= 1 && items[0].children, JSON.stringify(items));
  const inside = (await api.post('/channels:browse', { channel: 'WB', device: 'WB-1', node: items[0].node })).items;
  ok(inside.some((i) => i.address === 'field 1' && i.value === 'ST') && inside.some((i) => i.address === 'number 1' && i.value === '1'), JSON.stringify(inside));
  const read = await api.post('/channels:read', { channel: 'WB', device: 'WB-1', points: [{ address: 'field 2', type: 'string' }, { address: '12:int99' }] }, [200, 400]);
  ok(JSON.stringify(read).includes('GS') || JSON.stringify(read).includes('int99'), JSON.stringify(read));
  await until(async () => {
    bridge.say('ST,GS,+ 1.0kg\r\n'); // frames are kept while somebody looks
    const d = await api.get('/channels/WB/diagnostics');
    return d.frames.some((f) => f.ok && f.words.en.includes('ST,GS,') && f.words.zh.includes('字节'));
  }, 'words');
  const bad = await api.post('/points', { code: 'X', name: 'x', spec: { device: 'WB-1', address: 'feld 1' } }, 400);
  equal(bad.where ?? bad.errors?.[0]?.where, 'spec.address');
  const bad2 = await api.post('/devices', { code: 'X', name: 'x', spec: { channel: 'WB', options: { nonsense: 1 } } }, 400);
  ok(JSON.stringify(bad2).includes('nonsense'), 'an option that is none');
});

test('an analyser: binary answers with a CRC, wrong ones counted and never read', async () => {
  const frame = (x, y, spoil = 0) => {
    const b = Buffer.alloc(11);
    b.writeUInt16BE(0xaa55, 0);
    b[2] = 8;
    b.writeFloatBE(x, 3);
    b.writeInt16LE(y, 7);
    b.writeUInt16LE(crcModbus(b.subarray(0, 9)), 9);
    b[4] ^= spoil;
    return b;
  };
  let spoil = 0, n = 0;
  const a = await instrument();
  a.onData = (s, d) => {
    if (!d.includes('?')) return;
    n++;
    const f = frame(n, -n, spoil);
    s.write(Buffer.from([0x13, 0xaa]));
    s.write(f.subarray(0, 5));
    setTimeout(() => s.write(f.subarray(5)), 2);
  };
  await channel('AN', { host: '127.0.0.1', port: a.port, framing: 'length', start_bytes: 'hex:AA55', length_at: 2, length_size: '1', length_adjust: 3, checksum: 'crc16_modbus', checksum_order: 'LE' },
    [['AN-1', { login: 'LOGIN ${code}\\r\\n', request: '?${seq}\\r\\n', request_period: '50ms', request_timeout: '300ms' }, [
      ['AN.X', '3:float'], ['AN.Y', '7:int16:LE'], ['AN.BIT', '8.0'],
    ]]]);
  await until(async () => (await value('AN.X')).v > 3, 'answers');
  const [x, y] = await current(['AN.X', 'AN.Y']);
  equal(x.v, -y.v, 'of one frame');
  ok(a.said.startsWith('LOGIN AN-1\r\n?1\r\n'), a.said.slice(0, 40));
  const errors = (await status('AN')).errors;
  ok(errors > 0, 'the rubbish in front is counted');
  spoil = 1;
  await until(async () => (await value('AN.X')).q === 'bad', 'only wrong frames: no answer');
  const last = (await value('AN.X')).v;
  ok(Number.isInteger(last), 'nothing was read from them');
  const d = await api.get('/channels/AN/diagnostics');
  ok(d.frames.some((f) => /crc16_modbus wrong/.test(JSON.stringify(f))), 'the reason is shown');
  spoil = 0;
  await until(async () => (await value('AN.X')).q === 'good', 'good again');
});

test('write-back: confirmed, refused, read back, unknown', async () => {
  let sp = 1;
  const c = await instrument();
  c.onData = (s, d) => {
    for (const line of d.toString().split('\r\n')) {
      if (line.startsWith('SP=')) {
        const v = Number(line.slice(3));
        if (v > 100) s.write('NAK range\r\n');
        else s.write(`ACK\r\nSP=${(sp = v)}\r\n`);
      } else if (line.startsWith('LIM=')) {
        s.write(`${line}\r\n`);
      }
    }
  };
  await channel('CT', { host: '127.0.0.1', port: c.port }, [['CT-1', { write_timeout: '300ms' }, [
    ['CT.SP', 'key:SP', { type: 'double', writable: true, options: { write: 'SP=${value:.1}\\r\\n', confirm: 'text=ACK', refused: 'regex:^NAK' } }],
    ['CT.LIM', 'key:LIM', { type: 'double', writable: true, options: { write: 'LIM=${value}\\r\\n' } }],
    ['CT.DEAF', 'key:NO', { type: 'double', writable: true, options: { write: 'NO=${value}\\r\\n' } }],
  ]]]);
  await until(() => c.sockets.size === 1, 'the connection');
  const write = (code, v) => until(() => api.post(`/points/${code}:write`, { value: v, confirm: true }), 'the point to run');
  equal((await write('CT.SP', 55.55)).outcome, 'done');
  ok(c.said.includes('SP=55.5') || c.said.includes('SP=55.6'), c.said);
  await until(async () => (await value('CT.SP')).v === sp, 'the value of the device');
  equal((await write('CT.SP', 500)).outcome, 'refused');
  const back = await write('CT.LIM', 7);
  equal([back.outcome, back.readback], ['done', 7]);
  equal((await write('CT.DEAF', 7)).outcome, 'unknown');
});

test('data loggers that connect: told apart by their first frame, acknowledged, times of their own', async () => {
  const port = await freePort();
  await channel('DL', { mode: 'tcp_server', address: '127.0.0.1', port, identify: 'first', identity: 'json:$.id', end_bytes: '\\n' },
    ['A', 'B'].map((x) => [`DL-${x}`, { id: x, ack: 'OK ${seq}\\n', time: 'json:$.ts' }, [[`DL.${x}`, 'json:$.d[0].v', { type: 'double' }]]]));
  await until(async () => (await status('DL')).state === 'connecting', 'listening');
  const a = await connect(port), b = await connect(port), who = await connect(port);
  const t0 = Math.floor(Date.now() / 1000) - 3600;
  a.write(`{"id":"A","ts":${t0},"d":[{"v":1.5}]}\n{"ts":${t0 + 60},"d":[{"v":2.5}]}\n`);
  b.write(`{"id":"B","ts":${t0},"d":[{"v":7}]}\n`);
  who.write('{"id":"nobody","d":[{"v":99}]}\n');
  await until(async () => (await value('DL.A')).v === 2.5 && (await value('DL.B')).v === 7, 'values');
  await until(() => a.text === 'OK 0\nOK 1\n' && b.text === 'OK 0\n', 'acknowledgements');
  equal(who.text, '', 'nobody is not answered');
  const h = await until(async () => {
    const x = await api.get('/history/recorded?points=DL.A&from=*-2h&to=*');
    return x.series[0].v.length === 2 && x;
  }, 'the history');
  equal([h.series[0].v, h.series[0].t.map((t) => t / 1000 - t0)], [[1.5, 2.5], [0, 60]], 'at the times that the device tells');
  equal((await status('DL')).state, 'up');
  const again = await connect(port);
  again.write(`{"id":"A","ts":${t0 + 120},"d":[{"v":3.5}]}\n`);
  await until(async () => (await value('DL.A')).v === 3.5 && a.destroyed, 'a new connection takes over');
  equal((await value('DL.A')).q, 'good');
  again.destroy();
  await until(async () => (await value('DL.A')).q === 'bad', 'gone');
  equal((await value('DL.B')).q, 'good');
});

test('datagrams: by a field of each, and asked for', async () => {
  const port = await freePort();
  await channel('UD', { mode: 'udp_server', address: '127.0.0.1', port, framing: 'whole', identify: 'field', identity: '0:uint8' },
    [1, 2].map((k) => [`UD-${k}`, { id: String(k) }, [[`UD.${k}`, '1:uint16:LE']]]));
  await until(async () => (await status('UD')).state === 'connecting', 'listening');
  const u = dgram.createSocket('udp4');
  cleanup(() => u.close());
  const until2 = until(async () => (await value('UD.1')).v === 300 && (await value('UD.2')).v === 400, 'values');
  const timer = setInterval(() => {
    u.send(Buffer.from([1, 44, 1]), port, '127.0.0.1');
    u.send(Buffer.from([2, 144, 1]), port, '127.0.0.1');
    u.send(Buffer.from([3, 0, 0]), port, '127.0.0.1');
  }, 20);
  await until2;
  clearInterval(timer);
});

test('a flood is taken without loss, and the rest of the platform goes on', async () => {
  const f = await instrument();
  await channel('FL', { host: '127.0.0.1', port: f.port }, [['FL-1', {}, [['FL.N', 'number', { type: 'double' }]]]]);
  await until(() => f.sockets.size === 1, 'the connection');
  const N = 100000;
  let text = '';
  for (let i = 1; i <= N; i++) text += `n=${i}\r\n`;
  const [s] = f.sockets;
  await new Promise((r) => s.write(text, r));
  await until(async () => (await value('FL.N')).v === N, 'the last one', 60000);
  near((await value('WB.GROSS')).v, 1, 0, 'others');
  equal((await status('FL')).errors, 0, 'no frame was torn');
});

test('a line that never ends, and binary rubbish: bounded, counted, and the next frame is right', async () => {
  const f = await instrument();
  await channel('RB', { host: '127.0.0.1', port: f.port, max_length: 200 }, [['RB-1', {}, [['RB.N', 'field 2', { type: 'double' }]]]]);
  await until(() => f.sockets.size === 1, 'the connection');
  f.say('x'.repeat(1 << 20));
  f.say(',666\r\n');
  f.say(Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) & 0xff)));
  f.say('\r\na,5\r\n');
  await until(async () => (await value('RB.N')).v === 5, 'the value');
  const h = await until(async () => {
    const x = await api.get('/history/recorded?points=RB.N&from=*-10m');
    return x.series[0].v.includes(5) && x;
  }, 'the history');
  ok(!h.series[0].v.includes(666), 'the tail of the long line is no frame');
  ok((await status('RB')).errors > 0, 'counted');
});

test('a thousand connections that come and go', async () => {
  const port = await freePort();
  await channel('TH', { mode: 'tcp_server', address: '127.0.0.1', port, identify: 'field', identity: 'field 1', max_connections: 1200 },
    [['TH-1', { id: 'D1' }, [['TH.1', 'field 2', { type: 'double' }]]], ['TH-2', { id: 'D777' }, [['TH.2', 'field 2', { type: 'double' }]]]]);
  await until(async () => (await status('TH')).state === 'connecting', 'listening');
  for (let round = 1; round <= 3; round++) {
    const all = await Promise.all(Array.from({ length: 1000 }, () => connect(port)));
    all.forEach((s, i) => s.write(`D${i},${round * 1000 + i}\r\n`));
    await until(async () => (await value('TH.1')).v === round * 1000 + 1 && (await value('TH.2')).v === round * 1000 + 777, `round ${round}`);
    await until(async () => (await status('TH')).connections === 1000, 'all are there');
    for (const s of all) s.destroy();
    await until(async () => (await status('TH')).connections === 0, 'all are gone');
  }
  equal((await value('WB.GROSS')).q, 'good', 'others');
});

// ---- outlet ----

const forwardStatus = async (code) => (await api.get('/forwards:status')).items.find((f) => f.code === code);

test('forwarding texts: nothing is lost while the receiver is away, each is acknowledged', async () => {
  const port = await freePort();
  const got = [];
  let silent = false;
  const receiver = await instrument();
  await receiver.stop();
  receiver.onData = (s, d) => {
    s.rest = (s.rest ?? '') + d.toString();
    const parts = s.rest.split('\n');
    s.rest = parts.pop();
    for (const line of parts) {
      if (silent) continue;
      for (const item of JSON.parse(line)) got.push(item.value);
      s.write('OK\n');
    }
  };
  await api.post('/forwards', { code: 'FW', name: 'FW', spec: { outlet: 'tcp_udp_out', enabled: true, filter: "code='CT.LIM'", options: { host: '127.0.0.1', port, ack: 'OK\\n', ack_timeout: '500ms', reconnect_min: '100ms', reconnect_max: '500ms' }, buffer_hours: 24 } });
  const send = async (v) => equal((await api.post('/points/CT.LIM:write', { value: v, confirm: true })).outcome, 'done', `write ${v}`);
  await until(async () => ['down', 'connecting'].includes((await forwardStatus('FW'))?.state), 'nobody is there');
  await send(101);
  await send(102);
  await receiver.listen(port);
  await until(() => got.includes(101) && got.includes(102), 'what came meanwhile');
  await until(async () => (await forwardStatus('FW')).state === 'up', 'up');
  silent = true;
  await send(103);
  await sleep(800);
  silent = false;
  await until(() => got.includes(103), 'what was not acknowledged comes again');
  await send(104);
  await until(() => got.at(-1) === 104, 'live');
});

test('forwarding a binary frame by UDP and texts to whoever connects', async () => {
  const u = dgram.createSocket('udp4');
  cleanup(() => u.close());
  await new Promise((r) => u.bind(0, '127.0.0.1', r));
  let last;
  u.on('message', (m) => { last = m; });
  const refused = await api.post('/forwards:test', { spec: { outlet: 'tcp_udp_out', options: { mode: 'udp', host: '127.0.0.1', port: u.address().port, content: 'binary' } } }, [200, 400]);
  ok(JSON.stringify(refused).includes('frame_length'), 'the length is missing');
  await api.post('/forwards', { code: 'FB', name: 'FB', spec: { outlet: 'tcp_udp_out', enabled: true, filter: "code='CT.LIM' or code='WB.GROSS'", options: { mode: 'udp', host: '127.0.0.1', port: u.address().port, content: 'binary', frame: 'hex:AA55', frame_length: 12, data_at: 2, period: '100ms', checksum: 'crc16_modbus', checksum_order: 'LE' } } });
  await until(() => last?.length === 12 && last.readUInt16LE(10) === crcModbus(last.subarray(0, 10)) && [last.readFloatBE(2), last.readFloatBE(6)].sort().join() === '1,104', 'the frame');
  equal(last.readUInt16BE(0), 0xaa55);
  const port = await freePort();
  await api.post('/forwards', { code: 'FS', name: 'FS', spec: { outlet: 'tcp_udp_out', enabled: true, filter: "code='CT.LIM'", options: { mode: 'tcp_server', address: '127.0.0.1', port, form: 'template', template: '${code}=${value}', template_head: '', template_tail: '', template_join: ';' } } });
  await until(async () => (await forwardStatus('FS')).state === 'up', 'listening');
  const s = await connect(port);
  await until(() => s.text === 'CT.LIM=104\n', 'the value at hand');
  await api.post('/points/CT.LIM:write', { value: 105, confirm: true });
  await until(() => s.text.endsWith('CT.LIM=105\n'), 'the change');
  const d = await api.get('/forwards/FS/diagnostics');
  equal(d.peers.length, 1, 'who is connected');
});

// ---- TLS ----

// An authority, and certificates of it.
function certificates() {
  const dir = tempDir(), at = (n) => join(dir, n), pem = {};
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...ec, '-days', '2', '-subj', '/CN=authority', '-keyout', 'ca.key', '-out', 'ca.pem');
  writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1,DNS:plc.local\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...ec, '-subj', `/CN=${name}`, '-keyout', `${name}.key`, '-out', `${name}.csr`);
    openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext', '-out', `${name}.pem`);
    pem[name] = { cert: readFileSync(at(`${name}.pem`), 'utf8'), key: readFileSync(at(`${name}.key`), 'utf8') };
  }
  return { ...pem, ca: readFileSync(at('ca.pem'), 'utf8') };
}
let certs;

test('TLS: a device that asks for our certificate, and one that is not who it says', async () => {
  certs = certificates();
  const { server, client, ca } = certs;
  const seen = [];
  const device = tls.createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true }, (s) => {
    seen.push(s.getPeerCertificate().subject?.CN);
    s.on('error', () => {});
    const t = setInterval(() => s.write('W,12.5,kg\r\n'), 50);
    s.on('close', () => clearInterval(t));
    s.on('data', (d) => s.write(`echo ${d}`));
  });
  device.on('tlsClientError', () => {});
  await new Promise((r) => device.listen(0, '127.0.0.1', r));
  cleanup(() => device.close());
  const port = device.address().port, own = { tls_certificate: client.cert, tls_key: client.key };
  const options = { host: '127.0.0.1', port, tls: true, tls_ca: ca, ...own };
  await channel('TC', options, [['TC-D', {}, [['TC.W', 'field 2']]]]);
  await until(async () => (await value('TC.W')).v === 12.5, 'the weight');
  equal(seen[0], 'client', 'our certificate');
  const tried = async (more) => api.post('/channels:test', { spec: { driver: 'tcp_udp', options: { ...options, ...more } } });
  ok((await tried({ tls_name: 'plc.local' })).ok, 'another name of the certificate');
  for (const more of [{ tls_name: 'other.local' }, { tls_ca: undefined }]) {
    const r = await tried(more);
    ok(!r.ok && /certificate/.test(r.detail), JSON.stringify(r));
  }
  ok((await tried({ tls_ca: undefined, tls_verify: false })).ok, 'not verified');
});

test('TLS: devices that connect to us need a certificate of our authority', async () => {
  const { server, client, ca } = certs, port = await freePort();
  await channel('TS', { mode: 'tcp_server', address: '127.0.0.1', port, tls: true, tls_ca: ca, tls_certificate: server.cert, tls_key: server.key }, [['TS-D', {}, [['TS.V', 'field 2']]]]);
  await until(async () => (await status('TS')).state === 'connecting', 'listening');
  const come = (more) => new Promise((resolve) => {
    const s = tls.connect({ host: '127.0.0.1', port, ca, ...more });
    s.on('error', (e) => resolve({ refused: e.message }));
    s.on('close', () => resolve({ refused: 'closed' }));
    let peer;
    s.on('secureConnect', () => { peer = s.getPeerCertificate().subject.CN; s.write('V,7\r\n'); });
    cleanup(() => s.destroy());
    until(async () => (await value('TS.V')).v === 7, 'the value', 5000).then(() => resolve({ value: 7, peer }), () => {});
  });
  ok((await come({})).refused, 'without a certificate');
  const plain = await connect(port);
  plain.on('error', () => {});
  plain.write('V,9\r\n');
  await until(() => plain.destroyed || plain.closed || plain.readableEnded, 'plain text is refused');
  equal(await come(client), { value: 7, peer: 'server' });
});

test('TLS: values forwarded to a receiver, and to whoever connects', async () => {
  const { server, client, ca } = certs;
  let got = '';
  const receiver = tls.createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true }, (s) => {
    s.on('error', () => {});
    s.on('data', (d) => { got += d; s.write('OK\n'); });
  });
  await new Promise((r) => receiver.listen(0, '127.0.0.1', r));
  cleanup(() => receiver.close());
  const form = { form: 'template', template: '${code}=${value}', template_head: '', template_tail: '', template_join: ';' };
  await api.post('/forwards', { code: 'FT', name: 'FT', spec: { outlet: 'tcp_udp_out', enabled: true, filter: "code='CT.LIM'", options: { host: '127.0.0.1', port: receiver.address().port, tls: true, tls_ca: ca, tls_certificate: client.cert, tls_key: client.key, ack: 'OK\\n', ...form } } });
  await until(async () => (await forwardStatus('FT')).state === 'up', 'connected');
  await api.post('/points/CT.LIM:write', { value: 106, confirm: true });
  await until(() => got.includes('CT.LIM=106\n'), 'the value');
  const port = await freePort();
  await api.post('/forwards', { code: 'FTS', name: 'FTS', spec: { outlet: 'tcp_udp_out', enabled: true, filter: "code='CT.LIM'", options: { mode: 'tcp_server', address: '127.0.0.1', port, tls: true, tls_certificate: server.cert, tls_key: server.key, ...form } } });
  await until(async () => (await forwardStatus('FTS')).state === 'up', 'listening');
  const s = tls.connect({ host: '127.0.0.1', port, ca });
  cleanup(() => s.destroy());
  let text = '';
  s.on('data', (d) => { text += d; });
  await until(() => text === 'CT.LIM=106\n', 'the value at hand');
});

test('the end', async () => {
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
