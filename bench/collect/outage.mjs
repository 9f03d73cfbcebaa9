// outage.mjs BINARY [points] [seconds] [receiver] [speed] [live seconds] - a receiver is away for `seconds` of what `points` values
// a second make; when it is back, what waits on disk is back-filled beside the live values. How many times real time, how old live
// values are when they arrive (p99), what a sample takes on disk and of a core, and whether both ends hold the same.
//
//   receiver  bornite: another `bornite serve`, by line protocol over HTTP; 204 means durable in its history (the default)
//             count:   a process that only reads the bodies and says 200: what the sender alone can do
//             mqtt:    another `bornite serve` as MQTT broker, QoS 1, a message a value; PUBACK means durable
//   speed     the field runs so many times faster during the outage (10: periods of 100 ms), so that an hour's samples are there
//             in six minutes; they take the same way (device, bus, gates, journal on disk). 1: in real time.
// While the back-fill runs the field is at `points` a second again. Away means that nobody listens at the receiver's port.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import http from 'node:http';
import net from 'node:net';
import { allUp, done, importField, percentile, serve, simulator, sleep, stopped, usage } from './common.mjs';

const [bin, pointsArg, secondsArg, receiver = 'bornite', speedArg, liveArg] = process.argv.slice(2);
const points = Number(pointsArg ?? 10000), away = Number(secondsArg ?? 3600), speed = Number(speedArg ?? 10), live = Number(liveArg ?? 30);

if (process.env.BENCH_OUTAGE_COUNT) {
  let lines = 0;
  http.createServer((q, r) => {
    q.on('data', (d) => {
      for (let i = d.indexOf(10); i >= 0; i = d.indexOf(10, i + 1)) lines++;
    });
    q.on('end', () => r.writeHead(200).end());
  }).listen(Number(process.env.BENCH_OUTAGE_COUNT), '127.0.0.1', () => process.send('ready'));
  process.on('message', () => process.send(lines));
  await new Promise(() => {});
}

async function freePort() {
  const s = net.createServer();
  await new Promise((r) => s.listen(0, '127.0.0.1', r));
  const { port } = s.address();
  await new Promise((r) => s.close(r));
  return port;
}

// The receivers: the options of the forwarding, and how they come back: {pid, received(), api?}.
async function anotherBornite() {
  const port = await freePort(), mqttPort = await freePort();
  const b = await serve(bin, 'receiver', [], port);
  const rows = ['code,name'];
  for (let n = 0; n < points; n++) rows.push(`BIG.${n},point ${n}`);
  await b.api('POST', '/api/v1/points:import', rows.join('\n'), 'text/csv');
  const { token } = await b.api('POST', '/api/v1/tokens', { name: 'forward', roles: ['administrator'] });
  if (receiver === 'mqtt') {
    await b.api('POST', '/api/v1/mqtt-listeners', { code: 'bench', name: 'bench', spec: { address: '127.0.0.1', port: mqttPort } });
    await b.api('POST', '/api/v1/payload-mappings', { code: 'UP', name: 'UP', spec: { topic: 'up/#', form: 'json' } }).catch(() => {});
  }
  b.child.kill('SIGTERM');
  await stopped(b.child);
  return {
    outlet: 'http_push',
    options: { url: `http://127.0.0.1:${port}/api/v2/write`, form: 'lines', auth: 'bearer', token },
    back: async () => {
      const child = await serve(bin, 'receiver', ['--log', 'error'], port, b);
      return { pid: child.pid, api: b.api, received: () => b.metric('bornite_line_protocol_samples_total') };
    },
  };
}
async function counter() {
  const port = await freePort();
  return {
    outlet: 'http_push',
    options: { url: `http://127.0.0.1:${port}/in`, form: 'lines' },
    back: async () => {
      const c = fork(new URL(import.meta.url), [bin], { env: { ...process.env, BENCH_OUTAGE_COUNT: String(port) } });
      await new Promise((r) => c.once('message', r));
      process.on('exit', () => c.kill());
      return { pid: c.pid, received: () => new Promise((r) => { c.once('message', r); c.send('?'); }) };
    },
  };
}
