// Vectors: payloads written by sparkplug-payload 1.0.3 (npm, EPL-2.0), and what they hold as JSON.
import { createRequire } from 'node:module';
const require = createRequire(import.meta.url);
const sp = require('sparkplug-payload').get('spBv1.0');
const root = require('sparkplug-payload/lib/sparkplugPayloadProto').org.eclipse.tahu.protobuf.Payload;
const Long = require('long');
const out = [];
const J = (v) => JSON.stringify(v, (k, x) => (Long.isLong(x) ? `@@${x}@@` : x)).replace(/"@@(-?\d+)@@"/g, '$1');
function add(name, payload, want) { out.push(`${name}\t${Buffer.from(sp.encodePayload(payload)).toString('hex')}\t${J(want)}`); }
const ts = 1668114759262;
const m = (name, type, value, more = {}) => ({ name, type, value, ...more });
const all = [
  m('i8', 'Int8', -128), m('i16', 'Int16', -32768), m('i32', 'Int32', -2147483648), m('i64', 'Int64', Long.fromString('-9223372036854775808')),
  m('u8', 'UInt8', 255), m('u16', 'UInt16', 65535), m('u32', 'UInt32', 4294967295), m('u64', 'UInt64', Long.fromString('18446744073709551615', true)),
  m('f', 'Float', 1.5), m('d', 'Double', -0.1), m('b', 'Boolean', true), m('b0', 'Boolean', false), m('s', 'String', '铜 Cu'), m('t', 'Text', ''),
  m('dt', 'DateTime', ts), m('uuid', 'UUID', '123e4567-e89b-12d3-a456-426614174000'), m('by', 'Bytes', Buffer.from([0, 255, 10])), m('fi', 'File', Buffer.from('hi')),
];
const plain = (x) => ({ name: x.name, type: x.type, value: x.type === 'DateTime' ? new Date(x.value).toISOString() : Buffer.isBuffer(x.value) ? x.value.toString('base64') : x.value });
add('scalars', { timestamp: ts, metrics: all, seq: 0 }, { timestamp: ts, seq: 0, metrics: all.map(plain) });
add('nbirth', { timestamp: ts, seq: 0, metrics: [m('bdSeq', 'UInt64', 7), m('Node Control/Rebirth', 'Boolean', false), m('T1', 'Double', 21.5, { alias: 3, timestamp: ts })] },
  { timestamp: ts, seq: 0, metrics: [m('bdSeq', 'UInt64', 7), m('Node Control/Rebirth', 'Boolean', false), { name: 'T1', alias: 3, timestamp: ts, type: 'Double', value: 21.5 }] });
add('flags', { timestamp: ts, seq: 255, metrics: [m('h', 'Int32', 5, { isHistorical: true }), m('t', 'Int32', 6, { isTransient: true }), m('n', 'Int32', null)] },
  { timestamp: ts, seq: 255, metrics: [{ name: 'h', type: 'Int32', historical: true, value: 5 }, { name: 't', type: 'Int32', transient: true, value: 6 }, { name: 'n', type: 'Int32', null: true, value: null }] });
const props = { Quality: { type: 'Int32', value: 192 }, engUnit: { type: 'String', value: '°C' }, engLow: { type: 'Double', value: -40 }, ro: { type: 'Boolean', value: true },
  nested: { type: 'PropertySet', value: { a: { type: 'UInt8', value: 1 } } }, list: { type: 'PropertySetList', value: [{ x: { type: 'Float', value: 0.25 } }, {}] } };
add('properties', { timestamp: ts, seq: 1, metrics: [m('p', 'Double', 20.5, { properties: props })] },
  { timestamp: ts, seq: 1, metrics: [{ name: 'p', type: 'Double', properties: { Quality: 192, engUnit: '°C', engLow: -40, ro: true, nested: { a: 1 }, list: [{ x: 0.25 }, {}] }, value: 20.5 }] });
const ds = { numOfColumns: 3, columns: ['id', 'grade', 'name'], types: ['UInt32', 'Double', 'String'], rows: [[1, 0.62, 'ore'], [2, 24.5, 'concentrate']] };
add('dataset', { timestamp: ts, seq: 2, metrics: [m('assay', 'DataSet', ds)] }, { timestamp: ts, seq: 2, metrics: [m('assay', 'DataSet', { columns: ds.columns, types: ds.types, rows: ds.rows })] });
const tpl = { version: '1.2', templateRef: 'Motor', isDefinition: false, metrics: [m('rpm', 'Int32', 1480), m('on', 'Boolean', true), m('inner', 'Template', { templateRef: 'Bearing', metrics: [m('temp', 'Float', 61.25)] })],
  parameters: [{ name: 'pole', type: 'UInt32', value: 4 }, { name: 'maker', type: 'String', value: 'ABC' }] };
add('template', { timestamp: ts, seq: 3, metrics: [m('M1', 'Template', tpl)] }, { timestamp: ts, seq: 3, metrics: [m('M1', 'Template', { ref: 'Motor', version: '1.2', parameters: { pole: 4, maker: 'ABC' }, metrics: { rpm: 1480, on: true, inner: { ref: 'Bearing', parameters: {}, metrics: { temp: 61.25 } } } })] });
add('metadata', { timestamp: ts, seq: 4, metrics: [m('file', 'File', Buffer.from('abc'), { metadata: { isMultiPart: false, contentType: 'text/plain', size: 3, seq: 0, fileName: 'a.txt', fileType: 'txt', md5: '900150983cd24fb0d6963f7d28e17f72', description: 'd' } })] },
  { timestamp: ts, seq: 4, metrics: [m('file', 'File', 'YWJj')] });
add('body', { timestamp: ts, uuid: 'SPBV1.0_COMPRESSED', body: Buffer.from([1, 2, 3]), metrics: [m('algorithm', 'String', 'GZIP')] }, { timestamp: ts, uuid: 'SPBV1.0_COMPRESSED', metrics: [m('algorithm', 'String', 'GZIP')] });
add('empty', { timestamp: ts, seq: 5, metrics: [] }, { timestamp: ts, seq: 5, metrics: [] });
// data by alias, without names and types: sparkplug-payload always writes a type, the schema itself does not
{ const p = root.create({ timestamp: Long.fromNumber(ts), metrics: [{ alias: 3, doubleValue: 22.5 }, { alias: 4, timestamp: Long.fromNumber(ts + 1), intValue: 7 }], seq: 6 });
  out.push(`alias\t${Buffer.from(root.encode(p).finish()).toString('hex')}\t${J({ timestamp: ts, seq: 6, metrics: [{ alias: 3, value: 22.5 }, { alias: 4, timestamp: ts + 1, value: 7 }] })}`); }
console.log(`# Made by sparkplug-payload 1.0.3 (npm, EPL-2.0; its protobufjs classes for "alias"). name, payload in hex, what it holds.`);
console.log(out.join('\n'));
