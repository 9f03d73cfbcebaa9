// peers.mjs - the stores that are measured: how each is started, fed, brought to rest and asked. Each by its best
// practical interface; settings are the usual ones but where a comment says why not.
import { mkdirSync, writeFileSync } from 'node:fs';
import { askMany, bytesUnder, cpu, feed, freePort, Http, settle, sleep, start, stop, waitFor } from './process.mjs';

export const T0 = 1700000000000;
const name = (i) => `T${String(i).padStart(6, '0')}`;
const query = (o) => new URLSearchParams(o).toString();
const ROUNDS = 16; // different questions of a kind
// Points asked in round r: other ones each time.
const pick = (count, r, all) => Array.from({ length: count }, (_, i) => (123 + r * 1117 + i * 7) % all);

class Peer {
  constructor(dir, points, seconds) {
    Object.assign(this, { dir, points, seconds });
    mkdirSync(dir, { recursive: true });
  }
  connect = () => new Http(this.port, this.headers);
  get cpu() {
    return cpu(this.child.pid);
  }
  get pid() {
    return this.child.pid;
  }
  async feed(file) {
    return feed(file, 1, this.connect, this.writePath, this.writeHeaders);
  }
  async settle() {
    await settle(this.pid);
  }
  async stop() {
    if (this.child) await stop(this.child);
  }
  requests(kind, form) {
    const count = { latest: 1000, windows100: 100 }[kind] ?? 1;
    return Array.from({ length: ROUNDS }, (_, r) => this.request(kind, pick(count, r, this.points), form));
  }
  forms = () => ['json']; // of an answer to a question of that kind
  // What bench_http_peer measures, of the form that is quickest.
  async measure(client, kind) {
    const got = [];
    for (const form of this.forms(kind)) {
      await this.http.ask(...this.requests(kind, form)[0]); // says what is wrong, if it is
      got.push({ form, ...(await askMany(client, `${this.dir}.ask`, this, this.requests(kind, form))) });
    }
    return got.sort((a, b) => a.p50_ms - b.p50_ms)[0];
  }
}

export class Influx extends Peer {
  static title = 'InfluxDB';
  static form = 'line';
  async start() {
    this.port = await freePort();
    const rpc = await freePort(), d = this.dir;
    writeFileSync(`${d}/conf`, `reporting-disabled = true
bind-address = "127.0.0.1:${rpc}"
[meta]
dir = "${d}/meta"
[data]
dir = "${d}/data"
wal-dir = "${d}/wal"
query-log-enabled = false
cache-max-memory-size = 4294967296
cache-snapshot-write-cold-duration = "5s"
compact-full-write-cold-duration = "10s"
[http]
bind-address = "127.0.0.1:${this.port}"
log-enabled = false
max-body-size = 0
[monitor]
store-enabled = false
`);
    this.child = start('influxd', ['-config', `${d}/conf`]);
    this.http = this.connect();
    this.version = (await waitFor(() => this.http.ask('GET', '/ping').then(() => 'up'), 'influxd')) && '1.x';
    await this.http.ask('POST', `/query?${query({ q: 'CREATE DATABASE b' })}`);
    this.writePath = '/write?db=b&precision=ms';
  }
  async settle() {
    await sleep(15000); // until the shard counts as cold and is compacted in full
    await super.settle();
  }
  bytes() {
    return bytesUnder(`${this.dir}/data`) + bytesUnder(`${this.dir}/wal`);
  }
  forms = () => ['application/json', 'application/csv', 'application/x-msgpack'];
  request(kind, points, form = 'application/json') {
    const t = points.map(name);
    const where = t.length === 1 ? `t='${t[0]}'` : `t=~/^(${t.join('|')})$/`;
    const range = `time>=${T0}ms AND time<${T0 + this.seconds * 1000}ms`;
    const q = {
      latest: `SELECT last(v),q FROM s WHERE ${where} GROUP BY t`,
      raw: `SELECT v,q FROM s WHERE ${where} AND ${range}`,
      windows: `SELECT mean(v),min(v),max(v) FROM s WHERE ${where} AND ${range} GROUP BY time(1m)`,
      windows100: `SELECT mean(v),min(v),max(v) FROM s WHERE ${where} AND ${range} GROUP BY time(1m),t`,
      count: 'SELECT count(v) FROM s',
    }[kind];
    return ['POST', `/query?${query({ db: 'b', epoch: 'ms' })}`, query({ q }), { 'Content-Type': 'application/x-www-form-urlencoded', Accept: form }];
  }
  async count() {
    return JSON.parse(await this.http.ask(...this.request('count', []))).results[0].series[0].values[0][1];
  }
}

export class VictoriaMetrics extends Peer {
  static title = 'VictoriaMetrics';
  static form = 'line';
  async start() {
    this.port = await freePort();
    // Retention long, or samples older than a month vanish; caches of answers off, or they would be what is measured.
    this.child = start('victoria-metrics', [`-storageDataPath=${this.dir}`, `-httpListenAddr=127.0.0.1:${this.port}`, '-retentionPeriod=100y', '-search.maxUniqueTimeseries=1000000', '-search.disableCache', '-search.maxQueryLen=1MB', '-search.latencyOffset=0s']);
    this.http = this.connect();
    await waitFor(() => this.http.ask('GET', '/health'), 'victoria-metrics');
    this.writePath = '/write?precision=ms';
  }
  async settle() {
    await this.http.ask('GET', '/internal/force_flush');
    await super.settle();
    await this.http.ask('GET', '/internal/force_merge');
    await sleep(1000);
    await super.settle();
  }
  bytes() {
    return bytesUnder(this.dir);
  }
  forms = (kind) => (kind === 'raw' ? ['export', 'export/csv', 'query'] : ['json']);
  request(kind, points, form) {
    const t = points.map(name);
    const series = t.length === 1 ? `s_v{t="${t[0]}"}` : `s_v{t=~"${t.join('|')}"}`;
    const from = T0 / 1000, to = from + this.seconds;
    const coded = { 'Content-Type': 'application/x-www-form-urlencoded' };
    if (kind === 'raw' && form === 'query') return ['POST', '/api/v1/query', query({ query: `${series}[${this.seconds}s]`, time: to, nocache: 1 }), coded];
    if (kind === 'raw') return ['POST', `/api/v1/${form}`, query({ 'match[]': series, start: from, end: to, ...(form === 'export' ? {} : { format: '__timestamp__:unix_ms,__value__' }) }), coded];
    if (kind === 'latest' || kind === 'count') {
      const q = kind === 'latest' ? series : `sum(count_over_time(s_v[${this.seconds + 60}s]))`;
      return ['POST', '/api/v1/query', query({ query: q, time: to + 1, nocache: 1 }), coded];
    }
    const q = `aggr_over_time(("avg_over_time","min_over_time","max_over_time"), ${series}[1m])`;
    return ['POST', '/api/v1/query_range', query({ query: q, start: from + 60, end: to, step: 60, nocache: 1 }), coded];
  }
  async count() {
    return Number(JSON.parse(await this.http.ask(...this.request('count', []))).data.result[0].value[1]);
  }
}

export class ClickHouse extends Peer {
  static title = 'ClickHouse';
  static form = 'rowbin';
  async start() {
    this.port = await freePort();
    const tcp = await freePort(), d = this.dir;
    mkdirSync(`${d}/data/metadata/default`, { recursive: true });
    mkdirSync(`${d}/data/data/default`, { recursive: true });
    writeFileSync(`${d}/users.xml`, '<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users></yandex>');
    writeFileSync(`${d}/config.xml`, `<yandex><logger><level>warning</level><console>1</console></logger>
<http_port>${this.port}</http_port><tcp_port>${tcp}</tcp_port><listen_host>127.0.0.1</listen_host><keep_alive_timeout>900</keep_alive_timeout>
<path>${d}/data/</path><tmp_path>${d}/tmp/</tmp_path><users_config>${d}/users.xml</users_config><mark_cache_size>268435456</mark_cache_size>
<compression><case><min_part_size>0</min_part_size><min_part_size_ratio>0</min_part_size_ratio><method>zstd</method></case></compression>
<default_profile>default</default_profile><default_database>default</default_database></yandex>`);
    this.child = start('clickhouse-server', [`--config-file=${d}/config.xml`]);
    this.http = this.connect();
    await waitFor(() => this.http.ask('GET', '/ping'), 'clickhouse-server');
    await this.table();
    this.writePath = `/?${query({ query: 'INSERT INTO s FORMAT RowBinary', max_insert_block_size: 1048576 })}`;
  }
  async table() {
    await this.http.ask('POST', '/', 'DROP TABLE IF EXISTS s');
    await this.http.ask('POST', '/', 'CREATE TABLE s (tag UInt32, ts Int64, v Float64, q UInt8) ENGINE=MergeTree PARTITION BY toYYYYMMDD(toDateTime(intDiv(ts,1000))) ORDER BY (tag,ts)');
  }
  async settle() {
    await super.settle();
    await this.http.ask('POST', '/', 'OPTIMIZE TABLE s FINAL');
    await super.settle();
  }
  async bytes() {
    return Number(await this.http.ask('POST', '/', "SELECT sum(bytes_on_disk) FROM system.parts WHERE table='s' AND active"));
  }
  forms = () => ['TabSeparated', 'RowBinary', 'Native'];
  request(kind, points, form = 'TabSeparated') {
    const t = points.join(',');
    const range = `ts>=${T0} AND ts<${T0 + this.seconds * 1000}`;
    const q = {
      latest: `SELECT tag,max(ts),argMax(v,ts),argMax(q,ts) FROM s WHERE tag IN (${t}) GROUP BY tag`,
      raw: `SELECT ts,v,q FROM s WHERE tag=${t} AND ${range} ORDER BY ts`,
      windows: `SELECT intDiv(ts,60000) m,avg(v),min(v),max(v) FROM s WHERE tag=${t} AND ${range} GROUP BY m`,
      windows100: `SELECT tag,intDiv(ts,60000) m,avg(v),min(v),max(v) FROM s WHERE tag IN (${t}) AND ${range} GROUP BY tag,m`,
      count: 'SELECT count() FROM s',
    }[kind];
    return ['POST', '/', `${q} FORMAT ${form}`];
  }
  async count() {
    return Number(await this.http.ask(...this.request('count', [])));
  }
}

export class Bornite extends Peer {
  static title = 'Bornite';
  constructor(dir, points, seconds, binary) {
    super(dir, points, seconds);
    this.binary = binary;
  }
  async start() {
    this.child = start(this.binary, ['serve', '--data', this.dir, '--port', '0', '--log', 'warn']);
    const [, port, link] = await waitFor(() => this.child.log.match(/bornite: http:\/\/[^:]+:(\d+)\/setup#(\S+)/), 'bornite serve');
    this.port = Number(port);
    this.http = this.connect();
    await this.signIn(link);
    await this.makePoints();
  }
  async signIn(link) {
    const json = { 'Content-Type': 'application/json', 'X-Bornite': '1' };
    const res = await fetch(`http://127.0.0.1:${this.port}/api/v1/session`, { method: 'POST', headers: json, body: JSON.stringify({ link }) });
    const cookie = res.headers.getSetCookie().map((c) => c.split(';')[0]).join('; ');
    await this.http.ask('POST', '/api/v1/session/password', JSON.stringify({ new: 'a bench needs no secret 7' }), { ...json, Cookie: cookie });
    const made = JSON.parse(await this.http.ask('POST', '/api/v1/tokens', JSON.stringify({ name: 'bench', roles: ['administrator'] }), { ...json, Cookie: cookie }));
    this.headers = { Authorization: `Bearer ${made.token}` };
    this.http = this.connect();
  }
  async makePoints() {
    const rows = ['code,name,archive'];
    for (let i = 0; i < this.points; i++) rows.push(`${name(i)},${name(i)},true`);
    await this.http.ask('POST', '/api/v1/points:import', rows.join('\n'), { 'Content-Type': 'text/csv' });
    const num = async (i) => JSON.parse(await this.http.ask('GET', `/api/v1/points/${name(i)}`)).num;
    this.first = await num(0);
    if ((await num(this.points - 1)) !== this.first + this.points - 1) throw new Error('the points are not numbered in a row');
  }
  // How the next feed goes: line protocol, or rows of 24 bytes.
  use(form) {
    this.writePath = form === 'point' ? '/write?db=b&precision=ms' : '/api/v1/samples';
    this.writeHeaders = form === 'point' ? {} : { 'Content-Type': 'application/vnd.bornite.samples' };
  }
  bytes() {
    return bytesUnder(`${this.dir}/ts`);
  }
  request(kind, points) {
    const codes = points.map(name);
    const range = { from: T0, to: T0 + this.seconds * 1000 };
    const json = { 'Content-Type': 'application/json' };
    if (kind === 'latest') return ['POST', '/api/v1/current', JSON.stringify({ points: codes }), json];
    if (kind === 'raw') return ['GET', `/api/v1/history/recorded?${query({ points: codes[0], ...range, limit: 10000 })}`];
    const body = { points: codes, ...range, interval: '1m', fn: 'average,minimum,maximum' };
    return ['POST', '/api/v1/history/aggregate', JSON.stringify(body), json];
  }
  async count() {
    const engine = JSON.parse(await this.http.ask('GET', '/api/v1/storage')).engine;
    return engine.samples_appended;
  }
}
