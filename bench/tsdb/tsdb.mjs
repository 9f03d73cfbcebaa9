// tsdb.mjs BUILD [points] [seconds] [queries] - the time-series engine beside its peers, in one run: see tsdb.sh.
// Every store gets the same samples, over HTTP on loopback, is counted, brought to rest and asked the same
// questions by bench_http_peer, each in the form of answer that it gives quickest, Bornite in JSON; CPU is that of the
// server alone. A peer that is not installed is named and left out. `queries`: only what is asked, no rates.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Bornite, ClickHouse, Influx, VictoriaMetrics } from './peers.mjs';
import { rssMb } from './process.mjs';

const [build, pointsArg, secondsArg, only] = process.argv.slice(2);
const points = Number(pointsArg ?? 10000), seconds = Number(secondsArg ?? 600);
const dir = mkdtempSync(join(tmpdir(), 'bornite-bench-'));
process.on('exit', () => rmSync(dir, { recursive: true, force: true }));
const installed = (command) => spawnSync('which', [command]).status === 0;
const files = {};
function data(form, batch, first = 1) {
  const key = `${form}-${batch}-${first}`;
  if (!files[key]) {
    files[key] = join(dir, key);
    execFileSync(join(build, 'bench/bench_tsgen'), ['-f', form, '-b', String(batch), '-n', String(points), '-t', String(seconds), '-p', String(first), '-o', files[key]].map(String));
  }
  return files[key];
}

const client = join(build, 'bench/bench_http_peer');
const QUESTIONS = ['latest', 'raw', 'windows', 'windows100'];
async function measure(title, peer, fileOf, ask) {
  await peer.start();
  const file = fileOf(peer);
  let before = peer.cpu;
  const samples = await peer.feed(file);
  const feedCpu = peer.cpu - before;
  before = peer.cpu;
  await peer.settle();
  const total = feedCpu + peer.cpu - before;
  const counted = await peer.count();
  if (counted !== samples) throw new Error(`${title}: ${samples} samples were sent, ${counted} are there`);
  const row = { title, perCpu: samples / total / 1e6, rss: rssMb(peer.pid), bytes: (await peer.bytes()) / samples };
  for (const q of ask ? QUESTIONS : []) row[q] = await peer.measure(client, q);
  await peer.stop();
  rmSync(peer.dir, { recursive: true, force: true });
  return row;
}

const rows = [];
async function add(title, need, peer, fileOf, ask = true) {
  if (need && !installed(need)) return void console.log(`${title}: ${need} is not installed, left out`);
  rows.push(await measure(title, peer, fileOf, ask));
  const r = rows.at(-1);
  const ms = ask ? QUESTIONS.map((q) => r[q].p50_ms.toFixed(3).padStart(11)).join('') : '';
  console.log(`${title.padEnd(34)}${r.perCpu.toFixed(2).padStart(9)}${r.bytes.toFixed(3).padStart(9)}${r.rss.toFixed(0).padStart(7)}${ms}`);
}

const big = Math.max(1, Math.round(600000 / points)), small = Math.max(1, Math.round(10000 / points));
const ours = (form) => Object.assign(new Bornite(join(dir, 'bornite'), points, seconds, join(build, 'bornite')), { form });
const fed = (form, batch) => (peer) => {
  peer.use(form);
  return data(form, batch, form === 'rows' ? peer.first : 1);
};
console.log(`${points} points x ${seconds} s = ${points * seconds} samples in order over one connection; M samples per CPU-second of the server (settling included),\nbytes a sample at rest (Bornite: with what is still in its log), RSS MB; ms over HTTP (median), whole answer read: latest of 1,000 points, raw range of one, 1-minute windows of one, of 100\n`);
console.log(`${''.padEnd(34)}${'M/CPU-s'.padStart(9)}${'bytes'.padStart(9)}${'RSS'.padStart(7)}${QUESTIONS.map((q) => q.padStart(11)).join('')}`);
await add('Bornite, line protocol', null, ours('point'), fed('point', 1));
await add('VictoriaMetrics, value + quality', 'victoria-metrics', new VictoriaMetrics(join(dir, 'vm'), points, seconds), () => data('line', 1));
await add('InfluxDB', 'influxd', new Influx(join(dir, 'influx'), points, seconds), () => data('line', 1));
if (!only) await add(`Bornite, rows, ${big * points} a request`, null, ours('rows'), fed('rows', big), false);
await add(`ClickHouse, RowBinary, ${big * points}`, 'clickhouse-server', new ClickHouse(join(dir, 'ch'), points, seconds), () => data('rowbin', big));
if (!only) {
  await add(`Bornite, rows, ${small * points} a request`, null, ours('rows'), fed('rows', small), false);
  await add(`ClickHouse, RowBinary, ${small * points}`, 'clickhouse-server', new ClickHouse(join(dir, 'ch2'), points, seconds), () => data('rowbin', small), false);
}

// ---- each question ----
console.log('\nmilliseconds a question: median and 99th percentile of wall, CPU of the server; bytes of the answer');
for (const q of QUESTIONS)
  for (const r of rows.filter((row) => row[q])) {
    const a = r[q], n = (v, digits) => v.toFixed(digits).padStart(10);
    console.log(`  ${q.padEnd(11)}${r.title.padEnd(34)}${n(a.p50_ms, 3)}${n(a.p99_ms, 3)}${n(a.cpu_ms, 3)}${n(a.bytes, 0)}  ${a.form}`);
  }

// ---- ratios ----
const row = (start) => rows.find((r) => r.title.startsWith(start));
const peers = rows.filter((r) => !r.title.startsWith('Bornite'));
const best = (what, of = (v) => v) => Math.min(...peers.filter((r) => r[what] !== undefined).map((r) => of(r[what])));
const own = row('Bornite, line');
function goal(text, ratio, limit, atLeast) {
  if (!Number.isFinite(ratio)) return;
  const met = atLeast ? ratio >= limit : ratio <= limit;
  console.log(`  ${text.padEnd(52)}${ratio.toFixed(2).padStart(8)} x   goal ${atLeast ? '>=' : '<='} ${limit}   ${met ? 'met' : 'NOT met'}`);
}
console.log('\nratios');
goal('line protocol / VictoriaMetrics', own.perCpu / row('Victoria')?.perCpu, 8, true);
goal('line protocol / InfluxDB', own.perCpu / row('Influx')?.perCpu, 20, true);
goal(`rows / ClickHouse, ${big * points} a request`, row(`Bornite, rows, ${big * points}`)?.perCpu / row(`ClickHouse, RowBinary, ${big * points}`)?.perCpu, 2, true);
goal(`rows / ClickHouse, ${small * points} a request`, row(`Bornite, rows, ${small * points}`)?.perCpu / row(`ClickHouse, RowBinary, ${small * points}`)?.perCpu, 4, true);
goal('RSS / VictoriaMetrics', own.rss / row('Victoria')?.rss, 0.6, false);
const wall = (a) => a?.p50_ms, server = (a) => a?.cpu_ms;
function asked(text, what, peer, limit) {
  goal(text, wall(own[what]) / peer(wall), limit, false);
  console.log(`    ${'CPU of the server'.padEnd(50)}${(server(own[what]) / peer(server)).toFixed(2).padStart(8)} x`);
}
asked('latest of 1,000 / VictoriaMetrics', 'latest', (of) => of(row('Victoria')?.latest), 0.05);
asked('raw range of one / best peer', 'raw', (of) => best('raw', of), 0.4);
asked('1-minute windows of one / best peer', 'windows', (of) => best('windows', of), 0.3);
asked('1-minute windows of 100 / best peer', 'windows100', (of) => best('windows100', of), 0.2);
if (only) process.exit(0);

// ---- in process ----
console.log('\nin process');
const engine = spawnSync(join(build, 'bench/bench_tsdb'), ['-n', String(points), '-t', String(seconds)], { encoding: 'utf8' });
if (engine.status !== 0) throw new Error(`bench_tsdb: ${engine.stderr}`);
console.log(engine.stdout.trimEnd());
goal('bytes a sample, sealed and merged / best peer', Number(engine.stdout.match(/sealed\s+([\d.]+)/)[1]) / best('bytes'), 0.35, false);
const library = process.env.BORNITE_LIBDUCKDB;
if (!library || !existsSync(library)) console.log('DuckDB: BORNITE_LIBDUCKDB names no library, left out');
else {
  const d = JSON.parse(execFileSync(join(build, 'bench/bench_duckdb'), [library, join(dir, 'duck.db'), String(points), String(seconds)], { encoding: 'utf8' }));
  console.log(`DuckDB ${d.version}: append ${(d.append / 1e6).toFixed(2)} M/CPU-s, with its sort ${(d.sorted / 1e6).toFixed(2)} M/CPU-s, ${d.bytes.toFixed(2)} bytes a sample, RSS ${d.rss_mb} MB, mean of all ${d.mean_all_ms.toFixed(1)} ms`);
  const number = (re) => Number(engine.stdout.match(re)?.[1]);
  goal('append / DuckDB appender', number(/ingest\s+([\d.]+)/) / (d.append / 1e6), 2, true);
  goal('append / DuckDB with its sort', number(/ingest\s+([\d.]+)/) / (d.sorted / 1e6), 4, true);
  goal('mean of all / DuckDB', number(/mean of all\s+([\d.]+)/) / d.mean_all_ms, 0.1, false);
}
