// kill -9 under load, again and again: every acknowledged sample and resource is there afterwards, and the
// store is open again in under two seconds. preset: release
// BORNITE_KILLS: how often (200 in CI, any number by hand).
import { Api, equal, ok, run, signIn, sleep, startServe, stop, tempDir, test } from './lib.mjs';

const KILLS = Number(process.env.BORNITE_KILLS ?? 200);
const WRITERS = 3;
const dir = tempDir();
const T0 = Date.UTC(2026, 0, 1);
let token, serve, api;
const acked = Array.from({ length: WRITERS }, () => 0);   // samples of each writer that were acknowledged: values 1..n
const offered = Array.from({ length: WRITERS }, () => 0); // and offered
const resources = new Set();
let slowest = 0;

async function start() {
  const at = Date.now();
  serve = await startServe(dir);
  slowest = Math.max(slowest, Date.now() - at);
  api = new Api(serve.base, { Authorization: `Bearer ${token}` });
}

async function writer(w, state) {
  while (!state.dead) {
    const n = 1 + Math.floor(Math.random() * 200);
    const from = acked[w];
    const samples = Array.from({ length: n }, (_, i) => ({ point: `W${w}`, t: T0 + (from + i + 1) * 1000, v: from + i + 1 }));
    offered[w] = Math.max(offered[w], from + n);
    const res = await api.raw('POST', '/samples', { samples }).catch(() => null);
    if (res?.status === 200 && (await res.json().catch(() => null))?.stored === n) acked[w] = from + n;
  }
}

async function creator(state, round) {
  for (let i = 0; !state.dead; i++) {
    const code = `R${round}-${i}`;
    const res = await api.raw('POST', '/points', { code, name: '点', spec: {} }).catch(() => null);
    if (res?.status === 201) resources.add(code);
  }
}

// All of a writer's samples from `from` on: values follow each other without a hole, none is wrong.
async function verify(w, from) {
  let at = from;
  for (;;) {
    const h = await api.get(`/history/recorded?points=W${w}&from=${T0 + (at + 1) * 1000}&to=${T0 + (offered[w] + 1) * 1000}&limit=100000`);
    const { t, v, truncated } = h.series[0];
    for (let i = 0; i < v.length; i++) {
      if (v[i] !== at + 1 || t[i] !== T0 + (at + 1) * 1000) throw new Error(`W${w}: after ${at} comes ${v[i]} at ${t[i]}`);
      at++;
    }
    if (!truncated) break;
  }
  ok(at >= acked[w], `W${w}: acknowledged ${acked[w]}, found ${at}`);
}

async function verifyResources() {
  const found = new Set();
  for (let after = ''; ; ) {
    const page = await api.get(`/points?size=1000&sort=code${after ? `&after=${encodeURIComponent(after)}` : ''}`);
    for (const r of page.items) found.add(r.code);
    if (!page.next) break;
    after = page.next;
  }
  const lost = [...resources].filter((c) => !found.has(c));
  equal(lost.slice(0, 5), [], `${lost.length} acknowledged resources are lost:`);
}

test('prepare', async () => {
  serve = await startServe(dir);
  const admin = await signIn(serve);
  for (let w = 0; w < WRITERS; w++) await admin.post('/points', { code: `W${w}`, name: 'w', spec: {} });
  token = (await admin.post('/tokens', { name: 'crash', roles: ['administrator'] })).token;
  ok(token.startsWith('bn_'), 'a token');
  await stop(serve);
});

test(`${KILLS} kills under load`, async () => {
  for (let round = 0; round < KILLS; round++) {
    await start();
    const before = [...acked];
    if (round) for (let w = 0; w < WRITERS; w++) await verify(w, Math.max(0, before[w] - 500));
    const state = { dead: false };
    const load = [...acked.keys()].map((w) => writer(w, state)).concat(creator(state, round));
    await sleep(20 + Math.random() * 250);
    const gone = stop(serve, 'SIGKILL');
    state.dead = true;
    await gone;
    await Promise.all(load);
  }
});

test('everything that was acknowledged is there', async () => {
  await start();
  for (let w = 0; w < WRITERS; w++) await verify(w, 0);
  await verifyResources();
  console.log(`     ${acked.reduce((a, b) => a + b)} samples, ${resources.size} resources; slowest start ${slowest} ms`);
  ok(acked.every((n) => n > KILLS) && resources.size > KILLS, 'there was load');
  ok(slowest < 2000, `slowest start ${slowest} ms`);
  equal((await stop(serve)).code, 0, 'exit code');
});

await run();
