/* Options of a protocol in a form: what a plant engineer sets first, the rest in named sections; examples of
 * what is typed; codes that are free. It goes by the names that the option tables have in common, so a driver
 * that nobody here has seen is laid out alike. Pure. */
import { parseDuration } from '@/lib/time';
import type { FieldDoc, Spec } from '@/lib/types';

export type SectionName = 'main' | 'more' | 'security' | 'times' | 'limits';
export interface Section { name: SectionName; fields: FieldDoc[] }

/* Where, whom, as whom, how a message is cut: what no default can know. */
const FIRST = new Set([
  'host', 'port', 'url', 'endpoint', 'mode', 'device', 'path', 'method', 'framing', 'end_bytes', 'content', 'form', 'topic', 'topics', 'subscribe',
  'speed', 'data_bits', 'parity', 'stop_bits', 'unit', 'byte_order', 'common_address', 'mn', 'st', 'peer', 'id', 'request', 'period', 'payload', 'identify', 'checksum',
  'group', 'groups', 'edge_node', 'auth', 'user', 'username', 'password', 'token', 'security', 'trust', 'anonymous', 'tls', 'tls_verify', 'tls_ca',
]);
const LATER = new Set(['tls_name', 'tls_certificate', 'tls_key', 'plain_password', 'trusted', 'token_style', 'scope']);
const SECURITY = /^(tls|trust|aes|basic256|user_cert|trusted|thumbprint|certificate$|private_key$|plain_password|none$|sign_only|allow$|token$|token_lifetime|username$)/;
const TIMES = /timeout|reconnect|retries|^t[0-3]$|keep_alive|interval$|^ping$|idle|settle|^session_expiry$/;
const LIMITS = /(^|_)max(_|$)|^(connections|parallel|rate|in_?flight|window|k|w)$/;

function rest(f: FieldDoc): SectionName {
  if (f.type === 'secret' || SECURITY.test(f.name)) return 'security';
  if (LIMITS.test(f.name)) return 'limits';
  if (TIMES.test(f.name)) return 'times';
  return 'more';
}

/* An option that only another one calls for stands with that one: open where it was chosen on purpose. */
function sectionOf(fields: FieldDoc[], f: FieldDoc, depth = 0): SectionName {
  const by = f.show_if && depth < 8 ? fields.find((x) => x.name === f.show_if?.field) : undefined;
  if (by) {
    const its = sectionOf(fields, by, depth + 1);
    if (its !== 'main') return its;
    const chosen = !f.show_if?.in.includes(by.default as never);
    if (f.required || FIRST.has(f.name) || (chosen && !LATER.has(f.name))) return 'main';
    return rest(f);
  }
  return f.required || (FIRST.has(f.name) && !f.name.startsWith('tls_')) ? 'main' : rest(f);
}

const ORDER: SectionName[] = ['main', 'more', 'security', 'times', 'limits'];
const FEW = 4;      /* leftovers are one section */

/* A table that names nothing known begins with its first three. */
export function sections(fields: FieldDoc[]): Section[] {
  const known = fields.filter((f) => sectionOf(fields, f) === 'main');
  const main = known.length > 0 ? known : fields.slice(0, 3);
  const others = fields.filter((f) => !main.includes(f));
  const place = (f: FieldDoc) => (main.includes(f) ? 'main' : others.length <= FEW ? 'more' : sectionOf(fields, f));
  return ORDER.map((name) => ({ name, fields: fields.filter((f) => place(f) === name) })).filter((s) => s.fields.length > 0);
}

/* How many options of a section are not what the table says. */
export function changedCount(fields: FieldDoc[], values: Spec | undefined): number {
  const plain = (f: FieldDoc, v: unknown) => (v === undefined || v === null || v === '' || v === false ? '' : f.type === 'duration' ? String(parseDuration(String(v)) ?? v) : String(v));
  return fields.filter((f) => values && f.name in values && plain(f, values[f.name]) !== plain(f, f.default)).length;
}

/* What is typed into an empty field, by protocol and option or by option alone. */
const EXAMPLES: Record<string, string> = {
  'host': '192.168.1.10', 'host_2': '192.168.1.11', 'endpoint': 'opc.tcp://192.168.1.10:4840', 'url': 'https://192.168.1.10/api', 'websocket.url': 'ws://192.168.1.10:8080/live', 'websocket_push.url': 'wss://receiver.example/live',
  'http_push.url': 'https://receiver.example/ingest', 'modbus_serial.device': '/dev/ttyUSB0', 'mn': '88888880000001', 'tcp_udp.port': '4001', 'tcp_udp_out.port': '4001', 'tcp_udp.peer': '192.168.1.10', 'mqtt_client.port': '1883', 'mqtt_publisher.port': '1883',
  'sparkplug_host.port': '1883', 'sparkplug_edge.port': '1883', 'topics': 'plant/+/data', 'groups': 'Plant1', 'sparkplug_edge.group': 'Plant1', 'sparkplug_edge.edge_node': 'Bornite', 'allow': '192.168.1.0/24', 'thumbprint': 'A1:B2:C3:…',
};

export function withExample(of: string | undefined, f: FieldDoc): FieldDoc {
  const example = f.example ?? EXAMPLES[`${of ?? ''}.${f.name}`] ?? EXAMPLES[f.name];
  return example === undefined || f.default !== undefined ? f : { ...f, example };
}

export function freeCode(base: string, taken: Iterable<string>): string {
  const used = new Set(taken);
  if (!used.has(base)) return base;
  let n = 2;
  while (used.has(`${base}-${n}`)) n++;
  return `${base}-${n}`;
}
