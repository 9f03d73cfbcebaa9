// storm.mjs BINARY [devices] [seconds] - all devices vanish at once, stay away, and return: how long until every channel is up
// with good values again, and how many connections the devices saw at most.
import { readFileSync } from 'node:fs';
import { allUp, done, importField, serve, simPort, simulator, sleep, usage } from './common.mjs';

const [bin, devicesArg, secondsArg] = process.argv.slice(2);
const devices = Number(devicesArg ?? 1000), away = Number(secondsArg ?? 15), points = devices * 10;
let sim = simulator(bin, points);
const { child, api } = await serve(bin);
await importField(api, points, devices);
console.log(`${devices} channels up after ${(await allUp(api)).toFixed(1)} s`);

// Connections that the field's ports hold (state 01: established), from the kernel's table. It is no picture of one moment: a
// connection that ends while it is read and its successor can both stand in it. What stands in two readings was there between them.
function table() {
  const to = Math.ceil(points / 10000);
  return new Set(readFileSync('/proc/net/tcp', 'utf8').split('\n').map((l) => l.trim().split(/\s+/)).filter((f) => {
    const port = parseInt((f[1] ?? '').split(':')[1], 16);
    return f[3] === '01' && port >= simPort && port < simPort + to;
  }).map((f) => `${f[1]} ${f[2]}`));
}
function connections() {
  const first = table();
  if (first.size <= devices) return first.size;
  const second = table();
  return [...first].filter((c) => second.has(c)).length;
}
await sleep(2000);
const before = usage(child.pid);
sim.kill('SIGKILL');
const gone = Date.now();
await sleep(away * 1000);
const waiting = usage(child.pid);
sim = simulator(bin, points);
while (!sim.log.includes('Modbus TCP servers on ports')) await sleep(10);
const back = Date.now();
let most = 0;
const watch = setInterval(() => (most = Math.max(most, connections())), 50);
const took = await allUp(api);
await sleep(2000);
clearInterval(watch);
const st = (await api('GET', '/api/v1/channels:status')).items;
console.log(`away ${((back - gone) / 1000).toFixed(1)} s: ${((waiting.cpu - before.cpu) / away * 100).toFixed(1)} % of a core while trying; all ${devices} back with good values ${took.toFixed(1)} s after the return (goal 5 s)`);
console.log(`connections at most ${most} of ${devices} allowed; reconnects ${st.reduce((n, c) => n + c.reconnects, 0)}`);
done(took > 5 || most > devices ? 1 : 0);
