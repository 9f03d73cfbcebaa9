// Sparkplug B over mosquitto, both directions. The host application against sparkplug-client, an edge node that we did not
// write: every type, births, aliases, historical and compressed data, templates, deaths, gaps, commands, browsing, outages
// of the broker. The edge node against sparkplug-payload over mqtt.js: births, data, outages, the primary host, commands.
// Last, both ends in one process over our own broker. Packets are read by tshark's dissector.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import net from 'node:net';
import mqtt from 'mqtt';
import { Api, cleanup, equal, freePort, near, ok, run, signIn, startServe, startSim, stop, tempDir, test, until } from './lib.mjs';

const require = createRequire(import.meta.url);
const sparkplug = require('sparkplug-client');
const codec = require('sparkplug-payload').get('spBv1.0');
const MOSQUITTO = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/usr/local/sbin/mosquitto'].find(existsSync);

const dir = tempDir();
let serve, api, port, broker, edge;

const current = async (code) => (await api.get(`/current?points=${encodeURIComponent(code)}`)).items[0];
const recorded = async (code) => (await api.get(`/history/recorded?points=${encodeURIComponent(code)}&from=*-1d&to=*%2B1d&limit=100000`)).series[0];
const value = (code, v, what = code) => until(async () => { const c = await current(code); return c.q === 'good' && c.v === v && c; }, `${what} = ${v}`);
const quality = (code, q) => until(async () => { const c = await current(code); return c.q === q && c; }, `${code} ${q}`);
const device = async (code) => (await api.get('/channels/SPB/diagnostics')).devices.find((d) => d.code === code);
const forward = async (code) => (await api.get('/forwards:status')).items.find((f) => f.code === code);
const write = (code, v) => api.post(`/points/${encodeURIComponent(code)}:write`, { value: v, confirm: true, reason: 'test' });

async function startBroker() {
  const conf = join(dir, 'mosquitto.conf');
  writeFileSync(conf, `listener ${port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n`);
  broker = spawn(MOSQUITTO, ['-c', conf], { stdio: 'ignore' });
  broker.exited = new Promise((r) => broker.on('exit', r));
  cleanup(() => broker.kill());
  await until(() => new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => { s.destroy(); resolve(true); });
    s.on('error', () => resolve(false));
  }), 'mosquitto');
}
async function stopBroker() {
  broker.kill();
  await broker.exited;
}

// What goes over the broker, as a plain client sees it.
class Ear {
  constructor(options = {}) {
    this.got = [];
    this.client = mqtt.connect({ host: '127.0.0.1', port, reconnectPeriod: 50, ...options });
    this.client.on('error', () => {});
    this.client.on('connect', () => this.client.subscribe(['spBv1.0/#', 'STATE/#'], { qos: 1 }, () => this.host && this.state(this.host, true)));
    this.client.on('message', (topic, payload, packet) => {
      const m = { topic, retain: packet.retain, qos: packet.qos, at: Date.now() };
      m.payload = topic.includes('STATE') ? JSON.parse(payload.toString()) : codec.decodePayload(payload);
      this.got.push(m);
    });
    this.ready = new Promise((r) => this.client.on('connect', r));
    cleanup(() => this.client.end(true));
  }
  state(host, online) {
    this.client.publish(`spBv1.0/STATE/${host}`, JSON.stringify({ online, timestamp: Date.now() }), { qos: 1, retain: true });
  }
  of(topic) {
    return this.got.filter((m) => m.topic === topic);
  }
  metrics(topic) {
    return this.of(topic).flatMap((m) => m.payload.metrics);
  }
}

// The edge node of sparkplug-client, with values of every type that its codec knows.
class Edge {
  node = [
    { name: 'i8', type: 'Int8', value: -128 }, { name: 'i16', type: 'Int16', value: -32768 }, { name: 'i32', type: 'Int32', value: -2147483648 },
    { name: 'i64', type: 'Int64', value: -9007199254740991 }, { name: 'u8', type: 'UInt8', value: 255 }, { name: 'u16', type: 'UInt16', value: 65535 },
    { name: 'u32', type: 'UInt32', value: 4294967295 }, { name: 'u64', type: 'UInt64', value: 9007199254740991 }, { name: 'f', type: 'Float', value: 1.5 },
    { name: 'd', type: 'Double', value: -0.1 }, { name: 'b', type: 'Boolean', value: true }, { name: 's', type: 'String', value: '铜精矿' },
    { name: 't', type: 'Text', value: 'text' }, { name: 'dt', type: 'DateTime', value: 1668114759262 },
    { name: 'uuid', type: 'UUID', value: '123e4567-e89b-12d3-a456-426614174000' },
    { name: 'Area 1/Mill/Power', type: 'Double', value: 512.5, alias: 77, properties: { engUnit: { type: 'String', value: 'kW' } } },
    { name: 'assay', type: 'DataSet', value: { numOfColumns: 2, columns: ['el', 'pct'], types: ['String', 'Double'], rows: [['Cu', 24.5], ['Fe', 28.1]] } },
    { name: 'M1', type: 'Template', value: { templateRef: 'Motor', isDefinition: false, version: '1', metrics: [{ name: 'rpm', type: 'Int32', value: 1480 }], parameters: [] } },
    { name: 'Node Control/Rebirth', type: 'Boolean', value: false },
  ];
  device = [{ name: 'sp', type: 'Double', value: 5, alias: 101 }, { name: 'run', type: 'Boolean', value: false, alias: 102 }, { name: 'mode', type: 'String', value: 'auto' }];
  births = 0;
  commands = [];
  answers = true;

  constructor(name) {
    this.client = sparkplug.newClient({ serverUrl: `mqtt://127.0.0.1:${port}`, username: '', password: '', groupId: 'Plant', edgeNode: name, clientId: name, publishDeath: true, mqttOptions: { reconnectPeriod: 100 } });
    this.client.on('error', () => {});
    this.client.on('birth', () => this.birth());
    this.client.on('ncmd', (p) => {
      if (p.metrics.some((m) => m.name === 'Node Control/Rebirth' && m.value === true)) this.birth();
    });
    this.client.on('dcmd', (name, p) => {
      for (const m of p.metrics) {
        const mine = this.device.find((d) => d.name === m.name || d.alias === Number(m.alias));
        this.commands.push([name, mine?.name, m.value]);
        if (this.answers && mine) this.data('dev', [{ ...mine, value: (mine.value = m.value) }]);
      }
    });
    cleanup(() => this.client.stop());
  }
  birth() {
    const timestamp = Date.now(), stamped = (list) => list.map((m) => ({ timestamp, ...m }));
    this.births++;
    this.client.publishNodeBirth({ timestamp, metrics: stamped(this.node) });
    this.client.publishDeviceBirth('dev', { timestamp, metrics: stamped(this.device) });
  }
  data(device, metrics, options) {
    for (const m of metrics.filter((x) => !x.isHistorical && x.type !== 'Template')) { // what the next birth tells
      const mine = (device ? this.device : this.node).find((x) => x.name === m.name || (x.alias && x.alias === m.alias));
      if (mine) mine.value = m.value;
    }
    const payload = { timestamp: Date.now(), metrics: metrics.map((m) => ({ timestamp: Date.now(), ...m })) };
    if (device) this.client.publishDeviceData(device, payload, options);
    else this.client.publishNodeData(payload, options);
  }
}

async function points(list) {
  const rows = list.map(([code, address, type, writable, on = 'E1']) => `${code},${code},${on},${address},${type},1s,${writable}`);
  const done = await api.csv('/points:import', ['code,name,device,address,type,period,writable', ...rows].join('\n'));
  equal([done.created, done.failed], [list.length, 0], JSON.stringify(done).slice(0, 600));
}

async function start() {
  serve = await startServe(dir);
  api = await signIn(serve);
}

if (MOSQUITTO) {
  test('a host application: channel, devices, points; values of every type', async () => {
    port = await freePort();
    await startBroker();
    const ear = new Ear();
    await ear.ready;
    edge = new Edge('e1');
    await until(() => edge.births, 'the edge node');
    await start();
    const spec = { driver: 'sparkplug_host', options: { host: '127.0.0.1', port, host_id: 'scada', reconnect_min: '50ms', reconnect_max: '200ms', rebirth_interval: '200ms', reorder_timeout: '200ms', write_timeout: '2s', birth_timeout: '2s' } };
    const tried = await api.post('/channels:test', { spec });
    ok(tried.ok, JSON.stringify(tried));
    await api.post('/channels', { code: 'SPB', name: 'Sparkplug', spec });
    await api.post('/devices', { code: 'E1', name: 'e1', spec: { channel: 'SPB', options: { group: 'Plant', edge_node: 'e1' } } });
    await api.post('/devices', { code: 'DEV', name: 'dev', spec: { channel: 'SPB', options: { group: 'Plant', edge_node: 'e1', device: 'dev' } } });
    await points([
      ...edge.node.filter((m) => m.name !== 'Node Control/Rebirth').map((m) => [`N.${m.name.replaceAll(/[ /]/g, '_')}`, m.name, ['String', 'Text', 'UUID', 'DateTime', 'DataSet', 'Template'].includes(m.type) ? 'string' : '', false]),
      ['N.rpm', 'M1/rpm', '', false], ['N.online', '$online', 'bool', false], ['N.rebirth', 'Node Control/Rebirth', 'bool', true],
      ['D.sp', 'sp', '', true, 'DEV'], ['D.run', 'run', 'bool', true, 'DEV'], ['D.mode', 'Plant/e1/dev!mode', 'string', true], ['D.online', '$online', 'bool', false, 'DEV'],
    ]);
    const births = edge.births;
    await until(async () => (await current('D.sp')).q === 'good', 'the births');
    ok(edge.births > births, 'the birth was asked for');
    for (const m of edge.node.slice(0, 11)) near(Number((await current(`N.${m.name}`)).v), Number(m.value), 1e-9, m.name);
    equal((await current('N.s')).v, '铜精矿');
    equal((await current('N.dt')).v, '2022-11-10T21:12:39.262Z');
    equal((await current('N.uuid')).v, '123e4567-e89b-12d3-a456-426614174000');
    equal(JSON.parse((await current('N.assay')).v), { columns: ['el', 'pct'], types: ['String', 'Double'], rows: [['Cu', 24.5], ['Fe', 28.1]] });
    equal((await current('N.rpm')).v, 1480);
    equal([(await current('N.online')).v, (await current('D.online')).v, (await current('D.mode')).v].map((v) => (v === 1 ? true : v)), [true, true, 'auto']);
    const state = ear.of('spBv1.0/STATE/scada').at(-1);
    equal(state.payload.online, true);
    near(state.payload.timestamp, Date.now(), 60000);
    ear.client.end(true);
  });

  test('data: by alias, historical, compressed, part of a template', async () => {
    edge.data(null, [{ alias: 77, type: 'Double', value: 600.25 }]);
    await value('N.Area_1_Mill_Power', 600.25);
    const old = Date.now() - 3600000;
    edge.data(null, [{ name: 'd', type: 'Double', value: 11, timestamp: old, isHistorical: true }, { name: 'd', type: 'Double', value: 12, timestamp: old + 1000, isHistorical: true }]);
    edge.data(null, [{ name: 'd', type: 'Double', value: 13 }], { compress: true });
    await value('N.d', 13);
    edge.data(null, [{ name: 'd', type: 'Double', value: 14 }], { compress: true, algorithm: 'GZIP' });
    await value('N.d', 14);
    const r = await until(async () => { const s = await recorded('N.d'); return s.v.includes(12) && s; }, 'the historical ones');
    equal(r.v.slice(0, 2), [11, 12], 'late samples stand at their time');
    equal(new Date(r.t[0]).getTime(), old);
    edge.data(null, [{ name: 'M1', type: 'Template', value: { templateRef: 'Motor', isDefinition: false, version: '1', metrics: [{ name: 'rpm', type: 'Int32', value: 1500 }], parameters: [] } }]);
    await value('N.rpm', 1500);
    edge.data(null, [{ name: 'f', type: 'Float', value: 2.5, properties: { Quality: { type: 'Int32', value: 500 } } }]);
    await quality('N.f', 'uncertain');
    edge.data(null, [{ name: 'f', type: 'Float', value: null }]);
    await quality('N.f', 'bad');
    edge.data(null, [{ name: 'f', type: 'Float', value: 3.5 }]);
    await value('N.f', 3.5);
  });

  test('browsing: groups, nodes, devices, metrics with values and units', async () => {
    const browse = (node, options = {}) => api.post('/channels:browse', { channel: 'SPB', device: { options }, node });
    ok((await browse('')).items.some((i) => i.node === 'Plant'), 'the group');
    equal((await browse('Plant')).items.map((i) => [i.node, i.name, i.description]), [['Plant/e1', 'e1', 'online']]);
    const { items } = await browse('Plant/e1');
    const power = items.find((i) => i.name === 'Area 1/Mill/Power');
    equal([power.address, power.unit, power.type, power.value], ['Plant/e1!Area 1/Mill/Power', 'kW', 'double', '600.25']);
    ok(items.some((i) => i.node === 'Plant/e1/dev' && i.children), 'the device');
    equal((await browse('Plant/e1/dev')).items.map((i) => i.address), ['Plant/e1/dev!sp', 'Plant/e1/dev!run', 'Plant/e1/dev!mode']);
  });

  test('commands: done when the value comes back, unknown when it does not', async () => {
    equal((await write('D.sp', 42.5)).outcome, 'done');
    equal((await write('D.run', true)).outcome, 'done');
    equal((await write('D.mode', 'manual')).outcome, 'done');
    equal(edge.commands, [['dev', 'sp', 42.5], ['dev', 'run', true], ['dev', 'mode', 'manual']]);
    await value('D.sp', 42.5);
    edge.answers = false;
    equal((await write('D.sp', 43)).outcome, 'unknown');
    edge.answers = true;
    const births = edge.births;
    equal((await write('N.rebirth', true)).outcome, 'done');
    equal(edge.births, births + 1);
  });

  test('a gap in the numbers: what follows is kept, a birth is asked for', async () => {
    const births = edge.births;
    edge.client.seq += 1; // one message is lost
    edge.data(null, [{ name: 'd', type: 'Double', value: 21 }]);
    await value('N.d', 21);
    await until(() => edge.births > births, 'a rebirth');
    edge.data(null, [{ name: 'd', type: 'Double', value: 22 }]);
    await value('N.d', 22);
    const r = await recorded('N.d');
    ok(!r.q?.includes('bad'), 'without an interruption');
  });

  test('deaths: of a device, of the node; both come back', async () => {
    edge.client.publishDeviceDeath('dev', { timestamp: Date.now(), metrics: [] });
    await quality('D.sp', 'bad');
    equal((await current('N.d')).q, 'good');
    await until(async () => !(await current('D.online')).v, 'the device is offline');
    edge.client.publishDeviceBirth('dev', { timestamp: Date.now(), metrics: edge.device });
    await quality('D.sp', 'good');
    edge.client.stop();
    await quality('N.d', 'bad');
    const st = await until(async () => { const d = await device('E1'); return d.state === 'down' && d; }, 'the state of the device');
    ok(JSON.stringify(st.reason).includes('Plant/e1'), JSON.stringify(st.reason));
    equal((await write('D.sp', 1)).outcome, 'failed');
    edge = new Edge('e1');
    await quality('N.d', 'good');
    await until(async () => (await current('D.online')).v, 'online again');
  });

  test('an outage of the broker', async () => {
    await stopBroker();
    await quality('N.d', 'bad');
    await startBroker();
    await quality('N.d', 'good');
    edge.data(null, [{ name: 'd', type: 'Double', value: 31 }]);
    await value('N.d', 31);
  });

  // ---- the edge node ----

  let ear, options;
  test('an edge node: births with types, units, ranges', async () => {
    ear = new Ear();
    await ear.ready;
    await api.call('PATCH', '/points/D.sp', { spec: { unit: 'kW', lo: 0, hi: 1000 } });
    options = { host: '127.0.0.1', port, group: 'Out', edge_node: 'B1', reconnect_min: '50ms', reconnect_max: '200ms' };
    const tried = await api.post('/forwards:test', { spec: { outlet: 'sparkplug_edge', options } });
    ok(tried.ok, JSON.stringify(tried));
    await api.post('/forwards', { code: 'EDGE', name: 'edge', spec: { outlet: 'sparkplug_edge', filter: "code~'D.'", writes: true, options, gather: '50ms' } });
    const last = (name) => ear.metrics('spBv1.0/Out/DBIRTH/B1/DEV').filter((m) => m.name === name).at(-1);
    const sp = await until(() => last('D.sp')?.properties.engUnit && last('D.sp'), 'the birth of the device');
    const n = ear.of('spBv1.0/Out/NBIRTH/B1').at(-1).payload;
    equal([Number(n.seq), Number(n.metrics.find((m) => m.name === 'bdSeq').value), n.metrics.find((m) => m.name === 'Node Control/Rebirth').value], [0, 0, false]);
    equal([sp.type, sp.value, sp.properties.engUnit.value, sp.properties.engLow.value, sp.properties.engHigh.value, sp.properties.Quality.value], ['Double', 5, 'kW', 0, 1000, 192]);
    equal(ear.of('spBv1.0/Out/NBIRTH/B1').at(-1).retain, false);
    const st = await until(async () => { const f = await forward('EDGE'); return f.state === 'up' && f; }, 'the state');
    ok(st.points >= 3, JSON.stringify(st));
  });

  test('changes go out by alias, numbered, with their time', async () => {
    const from = ear.got.length;
    for (let k = 1; k <= 300; k++) {
      edge.data('dev', [{ name: 'sp', type: 'Double', value: 100 + k }]);
      if (k % 20 === 0) await until(() => ear.metrics('spBv1.0/Out/DDATA/B1/DEV').some((m) => m.value === 100 + k), `change ${k}`);
    }
    const values = ear.metrics('spBv1.0/Out/DDATA/B1/DEV').filter((m) => m.value > 100).map((m) => m.value);
    equal(values, Array.from({ length: 300 }, (_, k) => 101 + k), 'every change, in order');
    const seqs = ear.got.slice(from).filter((m) => m.topic.startsWith('spBv1.0/Out/')).map((m) => [Number(m.payload.seq), m.topic.includes('NBIRTH')]);
    ok(seqs.every(([s, birth], i) => i === 0 || s === (birth ? 0 : (seqs[i - 1][0] + 1) % 256)), `numbers without a gap: ${seqs.slice(0, 20)}`);
    const m = ear.metrics('spBv1.0/Out/DDATA/B1/DEV').at(-1);
    ok(m.name === undefined && Number(m.alias) > 0 && Date.now() - Number(m.timestamp) < 60000, JSON.stringify(m));
    await until(async () => (await forward('EDGE')).buffer.records === 0, 'the buffer is empty');
    await api.call('PATCH', '/forwards/EDGE', { spec: { filter: "code='D.mode'" } });
    await until(() => ear.of('spBv1.0/Out/DDEATH/B1/DEV').length === 1, 'the device that is gone is told dead');
  });

  test('an outage costs nothing: the rest comes as historical data', async () => {
    // the points of the host side go bad with the broker, so the values of the outage come from the API
    await api.post('/points', { code: 'X.manual', name: 'manual', spec: {} });
    // a host that is there again is what the edge node waits for: data of QoS 0 are gone for whoever is not
    ear.host = 'ear';
    ear.state('ear', true);
    await api.call('PATCH', '/forwards/EDGE', { spec: { filter: "code~'X.'", options: { ...options, primary_host: 'ear' } } });
    await until(() => ear.metrics('spBv1.0/Out/NBIRTH/B1').some((m) => m.name === 'X.manual'), 'the new set');
    const put = (v) => api.post('/samples', { samples: [{ point: 'X.manual', v, t: new Date().toISOString() }] });
    await put(1);
    await until(() => ear.metrics('spBv1.0/Out/NDATA/B1').some((m) => m.value === 1), 'a value before');
    await stopBroker();
    await until(async () => (await forward('EDGE')).state === 'down', 'the outage to be seen');
    for (let v = 2; v <= 40; v++) await put(v);
    await until(async () => (await forward('EDGE')).buffer.records > 0, 'the buffer to hold them');
    await startBroker();
    const all = await until(() => {
      const got = new Set(ear.metrics('spBv1.0/Out/NDATA/B1').map((m) => m.value));
      return Array.from({ length: 39 }, (_, k) => k + 2).every((v) => got.has(v)) && got;
    }, 'all of them');
    ok(all.size >= 40);
    ok(ear.metrics('spBv1.0/Out/NDATA/B1').some((m) => m.isHistorical), 'the older ones are marked historical');
    const lives = ear.metrics('spBv1.0/Out/NBIRTH/B1').filter((m) => m.name === 'bdSeq').map((m) => Number(m.value));
    ok(lives.at(-1) > lives[0], `a new life: ${lives}`);
    await until(async () => (await forward('EDGE')).buffer.records === 0, 'the buffer is empty');
  });

  test('a rebirth that is asked for, a death when it ends', async () => {
    const births = ear.of('spBv1.0/Out/NBIRTH/B1').length;
    ear.client.publish('spBv1.0/Out/NCMD/B1', Buffer.from(codec.encodePayload({ timestamp: Date.now(), metrics: [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true }] })));
    await until(() => ear.of('spBv1.0/Out/NBIRTH/B1').length > births, 'a rebirth');
    await api.call('PATCH', '/forwards/EDGE', { spec: { enabled: false } });
    const life = Number(ear.metrics('spBv1.0/Out/NBIRTH/B1').filter((m) => m.name === 'bdSeq').at(-1).value);
    await until(() => Number(ear.metrics('spBv1.0/Out/NDEATH/B1').at(-1)?.value) === life, 'the death of this life');
  });

  test('the primary host: nothing before it is online, a death when it goes', async () => {
    await api.call('PATCH', '/forwards/EDGE', { spec: { enabled: true, filter: "code~'D.'", options: { ...options, primary_host: 'main' } } });
    await until(async () => { const f = await forward('EDGE'); return f.state === 'degraded' && JSON.stringify(f.reason).includes('main') && f; }, 'it waits');
    const births = ear.of('spBv1.0/Out/NBIRTH/B1').length, deaths = ear.of('spBv1.0/Out/NDEATH/B1').length;
    const state = (online) => ear.state('main', online);
    state(true);
    await until(() => ear.of('spBv1.0/Out/NBIRTH/B1').length === births + 1, 'the birth');
    state(false);
    await until(() => ear.of('spBv1.0/Out/NDEATH/B1').length === deaths + 1, 'the death');
    await until(async () => (await forward('EDGE')).state === 'degraded', 'it waits again');
    state(true);
    await until(() => ear.of('spBv1.0/Out/NBIRTH/B1').length === births + 2, 'born again');
  });

  test('a command goes to the equipment, by the rules', async () => {
    const command = (metrics) => ear.client.publish('spBv1.0/Out/DCMD/B1/DEV', Buffer.from(codec.encodePayload({ timestamp: Date.now(), metrics })));
    const alias = Number(ear.metrics('spBv1.0/Out/DBIRTH/B1/DEV').filter((m) => m.name === 'D.sp').at(-1).alias);
    command([{ alias, type: 'Double', value: 77 }]); // through both ends of ours and the edge node behind
    await until(() => edge.commands.some((c) => c[1] === 'sp' && c[2] === 77), 'the edge node behind');
    await value('D.sp', 77);
    await until(() => ear.metrics('spBv1.0/Out/DDATA/B1/DEV').some((m) => Number(m.alias) === alias && m.value === 77), 'told back');
    await until(async () => JSON.stringify(await api.get('/audit?size=50')).includes('forward:EDGE'), 'the record');
    const seen = edge.commands.length;
    await until(async () => { // frames are kept while somebody looks
      command([{ name: 'D.online', type: 'Boolean', value: false }]);
      return JSON.stringify((await api.get('/forwards/EDGE/diagnostics')).frames).includes('DCMD');
    }, 'the frame in words');
    equal(edge.commands.length, seen, 'what is read-only is not written');
  });

  test('kill -9: the broker tells the death; all is there again after the start', async () => {
    const births = ear.of('spBv1.0/Out/NBIRTH/B1').length, deaths = ear.of('spBv1.0/Out/NDEATH/B1').length;
    ear.got = ear.got.filter((m) => !m.topic.includes('STATE'));
    await stop(serve, 'SIGKILL');
    await until(() => ear.of('spBv1.0/Out/NDEATH/B1').length === deaths + 1, 'the death of the edge node');
    await until(() => ear.of('spBv1.0/STATE/scada').at(-1)?.payload.online === false, 'the host is offline');
    const session = api.headers;
    serve = await startServe(dir);
    api = new Api(serve.base, session);
    await until(() => ear.of('spBv1.0/Out/NBIRTH/B1').length > births, 'the birth');
    await until(() => ear.of('spBv1.0/STATE/scada').at(-1)?.payload.online === true, 'the host is online');
    edge.data(null, [{ name: 'd', type: 'Double', value: 51 }]);
    await value('N.d', 51);
  });

  test('the simulator: an edge node for each server, changes, a command', async () => {
    const sim = await startSim(['--sparkplug', `127.0.0.1:${port}`, '--speed', '60']);
    const browse = (node) => api.post('/channels:browse', { channel: 'SPB', device: { options: {} }, node });
    const node = await until(async () => (await browse('demo')).items.find((i) => i.description === 'online'), 'its edge nodes');
    let metrics, place;
    for (const i of (await browse('demo')).items)
      for (const d of (await browse(i.node)).items.filter((x) => x.children)) {
        const { items } = await browse(d.node);
        if (!metrics && items.some((m) => m.writable && m.type === 'double')) [metrics, place] = [items, d];
      }
    ok(place && node, 'a device with a set-point');
    ok(metrics.length > 2 && metrics.some((m) => m.unit), JSON.stringify(metrics).slice(0, 400));
    await points(metrics.map((m, k) => [`SIM.${k}`, m.address, m.type === 'string' ? 'string' : '', m.writable]));
    await until(async () => (await current('SIM.0')).q === 'good', 'its values');
    const first = Date.parse((await current('SIM.0')).t);
    await until(async () => (await Promise.all(metrics.map((_, k) => current(`SIM.${k}`)))).some((c) => Date.parse(c.t) > first), 'a change');
    const k = metrics.findIndex((m) => m.writable && m.type === 'double');
    equal((await write(`SIM.${k}`, Math.round((await current(`SIM.${k}`)).v * 1.02))).outcome, 'done');
    await stop(sim);
    await until(async () => (await current('SIM.0')).q === 'bad', 'its death');
  });

  test('a capture is read by tshark', async () => {
    await api.post('/channels/SPB:capture', { seconds: 60 });
    edge.data(null, [{ name: 'd', type: 'Double', value: 55 }]);
    await value('N.d', 55);
    await until(async () => (await api.get('/channels/SPB/diagnostics')).capture.frames > 0, 'a frame in it');
    await api.post('/channels/SPB:capture', { seconds: 0 });
    const file = join(dir, 'spb.pcap');
    writeFileSync(file, Buffer.from(await (await api.raw('GET', '/channels/SPB/capture')).arrayBuffer()));
    if (!existsSync('/usr/bin/tshark')) return;
    const out = execFileSync('tshark', ['-r', file, '-d', 'tcp.port==1883,mqtt', '-Y', 'sparkplugb', '-T', 'fields', '-e', 'mqtt.topic', '-e', 'sparkplugb.messagetype'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    ok(out.includes('spBv1.0/Plant/NDATA/e1'), out);
  });
}

test('both ends over our own broker', async () => {
  if (!serve) await start();
  await api.call('PATCH', '/mqtt-listeners/default', { spec: { port: 0 } }, 200, { 'Content-Type': 'application/merge-patch+json' });
  const own = await until(async () => (await api.get('/mqtt/status')).listeners.find((l) => l.code === 'default')?.port, 'the listener');
  const { token } = await api.post('/tokens', { name: 'sparkplug', roles: ['administrator'] });
  const login = { host: '127.0.0.1', port: own, username: 'any', password: token, version: '5.0', reconnect_min: '50ms', reconnect_max: '200ms' };
  await api.post('/points', { code: 'OWN.src', name: 'src', spec: {} });
  await api.post('/forwards', { code: 'OWNEDGE', name: 'own edge', spec: { outlet: 'sparkplug_edge', filter: "code='OWN.src'", gather: '50ms', options: { ...login, group: 'Own', edge_node: 'N', primary_host: 'own' } } });
  await api.post('/channels', { code: 'OWNHOST', name: 'own host', spec: { driver: 'sparkplug_host', options: { ...login, groups: 'Own', host_id: 'own' } } });
  await api.post('/devices', { code: 'OWNDEV', name: 'own', spec: { channel: 'OWNHOST', options: { group: 'Own', edge_node: 'N' } } });
  await points([['OWN.copy', 'OWN.src', '', false, 'OWNDEV']]);
  await api.post('/samples', { samples: [{ point: 'OWN.src', v: 7.25, t: new Date().toISOString() }] });
  await value('OWN.copy', 7.25);
  await api.post('/samples', { samples: [{ point: 'OWN.src', v: 8.5, t: new Date().toISOString() }] });
  await value('OWN.copy', 8.5);
});

test('wrong settings are refused with the place', async () => {
  const bad = async (path, body, where) => {
    const r = await api.post(path, body, 400);
    ok((r.where ?? r.errors?.[0]?.where ?? '').includes(where), JSON.stringify(r));
  };
  await bad('/channels', { code: 'B1', name: 'b', spec: { driver: 'sparkplug_host', options: {} } }, 'host');
  await bad('/forwards', { code: 'B2', name: 'b', spec: { outlet: 'sparkplug_edge', options: { host: 'h' } } }, 'group');
  await stop(serve);
});

await run();
