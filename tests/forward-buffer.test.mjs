// The offline buffer of a sender (http_push) end to end: a receiver that is away, that refuses, that is killed in the middle;
// the platform killed while values wait. Nothing is lost (order is tested in pump_test.c).
import { existsSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { equal, freePort, ok, run, signIn, sleep, startServe, stop, tempDir, test, until } from './lib.mjs';

const dir = tempDir();
let serve, api, port, server, answer = 200;
let got = []; // [point, time, value], in order of arrival

function listen() {
  server = http.createServer((q, r) => {
    const parts = [];
    q.on('data', (d) => parts.push(d));
    q.on('end', () => {
      if (answer !== 200) return r.writeHead(answer).end();
      for (const line of Buffer.concat(parts).toString().trim().split('\n').slice(1)) {
        const [code, time, value] = line.trim().split(',');
        got.push([code, Date.parse(time), Number(value)]);
      }
      r.writeHead(200).end();
    });
  });
  return new Promise((r) => server.listen(port, '127.0.0.1', r));
}
const close = () => new Promise((r) => { server.close(r); server.closeAllConnections(); });
const status = async (code = 'UP') => (await api.get('/forwards:status')).items.find((i) => i.code === code);
const T0 = Date.now() - 600e3;
let next = 0;
async function write(n) {
  const samples = [];
  for (let i = 0; i < n; i++, next++) samples.push({ point: `B.${next % 5}`, t: T0 + next, v: next });
  await api.post('/samples', { samples }, [200, 201, 202, 204]);
}
const numbers = () => got.map((g) => g[2]);
const complete = () => new Set(numbers()).size === next;

test('values go out in batches, as CSV', async () => {
  port = await freePort();
  await listen();
  serve = await startServe(dir);
  api = await signIn(serve);
  for (let i = 0; i < 5; i++) await api.post('/points', { code: `B.${i}`, name: `点 ${i}`, spec: {} });
  await api.post('/forwards', { code: 'UP', name: '上报', spec: { outlet: 'http_push', filter: "code~'B.'", buffer_hours: 24, gather: '50ms', options: { url: `http://127.0.0.1:${port}/in`, form: 'csv' } } });
  await until(async () => (await status())?.points === 5, 'the sender');
  await write(50);
  await until(complete, 'the first values');
  equal(numbers(), Array.from({ length: 50 }, (_, i) => i), 'in order');
  const s = await until(async () => { const x = await status(); return x.buffer.records === 0 && x; }, 'an empty buffer');
  equal([s.buffer.lost, s.buffer.refused, s.buffer.sent], [0, 0, 50]);
});

test('the receiver is away: values wait on disk, the state says it', async () => {
  await close();
  for (let i = 0; i < 10; i++) await write(20);
  const s = await until(async () => { const x = await status(); return x.buffer.backlog > 0 && x; }, 'a backlog');
  ok(['down', 'connecting', 'degraded'].includes(s.state), s.state);
  ok(s.reason.length > 0, 'a reason');
  equal(s.buffer.lost, 0);
  let before = -1; /* until what was gathered stands in the journal: what is in memory goes with the process */
  await until(async () => { const { bytes } = (await status()).buffer; const same = bytes === before; before = bytes; return same; }, 'the last batch in the journal', 10000, 300);
});

test('killed meanwhile and started again: all of it is still there', async () => {
  await stop(serve, 'SIGKILL');
  serve = await startServe(dir);
  api = await signIn(serve);
  await until(async () => (await status())?.buffer?.records > 0, 'the buffer from before');
  await write(20);
  await listen();
  await until(complete, 'everything', 30000);
  await until(async () => (await status()).buffer.records === 0, 'an empty buffer');
  equal((await status()).buffer.lost, 0);
});

test('when it returns, everything comes', async () => {
  answer = 503;
  got = [];
  const first = next;
  for (let i = 0; i < 5; i++) {
    await write(400);
    await sleep(120);
  }
  await until(async () => (await status()).buffer.backlog > 0, 'a backlog');
  answer = 200;
  await write(5);
  await until(() => new Set(numbers()).size === next - first, 'everything', 30000);
});

test('a receiver killed in the middle of it loses nothing', async () => {
  got = [];
  const first = next;
  for (let i = 0; i < 6; i++) {
    await write(300);
    if (i % 2 === 0) {
      await close();
      await sleep(50);
      await listen();
    }
  }
  await until(() => new Set(numbers()).size === next - first, 'everything', 60000);
});

test('what it refuses for good is let go and counted', async () => {
  const before = (await status()).buffer;
  answer = 422;
  await write(10);
  await until(async () => (await status()).buffer.refused === before.refused + 10, 'refused');
  answer = 200;
  got = [];
  await write(10);
  await until(() => got.length >= 10, 'the next ones');
});

test('discarding asks for a confirmation and empties the buffer', async () => {
  answer = 503;
  await write(10);
  await until(async () => (await status()).buffer.backlog > 0, 'a backlog');
  await api.post('/forwards/UP:discard', {}, 428);
  const lost = (await status()).buffer.lost;
  await api.post('/forwards/UP:discard', { confirm: true });
  await until(async () => { const b = (await status()).buffer; return b.records === 0 && b.lost > lost; }, 'empty');
  answer = 200;
});

test('a deadband, a shortest interval and a scale are kept', async () => {
  await api.post('/points', { code: 'D', name: 'D', spec: {} });
  await api.post('/forwards', { code: 'DB', name: '死区', spec: { outlet: 'http_push', gather: '20ms', options: { url: `http://127.0.0.1:${port}/in`, form: 'csv' } } });
  await api.post('/forward-points', { code: 'd', name: 'd', spec: { forward: 'DB', point: 'D', scale: 2, offset: 1, deadband: 5 } });
  await until(async () => { const s = await status('DB'); return s?.points === 1; }, 'it runs');
  got = [];
  const at = Date.now();
  for (const [i, v] of [10, 12, 15, 16, 30].entries()) {
    await api.post('/samples', { samples: [{ point: 'D', t: at + i, v }] }, [200, 201, 202, 204]);
  }
  await until(() => got.some((g) => g[2] === 61), 'the last one');
  equal(got.map((g) => g[2]), [21, 33, 61]); // 10, 16, 30, each x 2 + 1
});

test('every sample, changed or not, if that is wanted', async () => {
  await api.post('/points', { code: 'E', name: 'E', spec: {} });
  await api.post('/points', { code: 'E2', name: 'E2', spec: {} });
  await api.post('/forwards', { code: 'ALL', name: '全部', spec: { outlet: 'http_push', gather: '20ms', unchanged: true, options: { url: `http://127.0.0.1:${port}/in`, form: 'csv' } } });
  await api.post('/forward-points', { code: 'e', name: 'e', spec: { forward: 'ALL', point: 'E' } });
  await api.post('/forward-points', { code: 'e2', name: 'e2', spec: { forward: 'ALL', point: 'E2', deadband: 1 } }); // its own word counts
  await until(async () => { const s = await status('ALL'); return s?.points === 2; }, 'it runs');
  got = [];
  const at = Date.now();
  for (let i = 0; i < 5; i++) await api.post('/samples', { samples: [{ point: 'E', t: at + i, v: 7 }, { point: 'E2', t: at + i, v: 7 }] }, [200, 201, 202, 204]);
  const of = (code) => got.filter((g) => g[0] === code).map((g) => g[1] - at);
  await until(() => of('E').includes(4), 'the last one');
  equal([of('E'), of('E2')], [[0, 1, 2, 3, 4], [0]]);
});

test('where nobody acknowledges nothing is kept on disk', async () => {
  await api.post('/forwards', { code: 'UDP', name: 'UDP', spec: { outlet: 'tcp_udp_out', filter: "code='E'", options: { mode: 'udp', host: '127.0.0.1', port: await freePort() } } });
  const s = await until(async () => { const x = await status('UDP'); return x?.points === 1 && x; }, 'it runs');
  equal(s.buffer, null);
  await api.post('/samples', { samples: [{ point: 'E', t: Date.now(), v: 8 }] }, [200, 201, 202, 204]);
  await until(async () => (await status('UDP')).items > 0, 'the value is sent');
  const { id } = await api.get('/forwards/UDP');
  ok(!existsSync(join(dir, 'forward', id)), 'no journal');
});

await run();
