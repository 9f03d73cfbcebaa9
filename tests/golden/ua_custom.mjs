// Structures of a companion specification (AutoID: optional fields, unions, structures in structures) with their
// definitions, as node-opcua 2.186 encodes them: lines "def <data type> <encoding id> <hex>" and
// "value <hex of the variant> <type> <what it holds, in words of node-opcua>", for src/proto/opcua/ua_golden_test.c.
//   npm install node-opcua@2.186 && node <here>/ua_custom.mjs <out file>
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const ua = require('node-opcua');
const { BinaryStream } = require('node-opcua-binary-stream');
const server = new ua.OPCUAServer({ port: 48431, nodeset_filename: [ua.nodesets.standard, ua.nodesets.di, ua.nodesets.autoId] });
await server.initialize();
const space = server.engine.addressSpace, ns = space.getNamespaceIndex('http://opcfoundation.org/UA/AutoID/');
const lines = [];
const hex = (size, encode) => { const s = new BinaryStream(size); encode(s); return s.buffer.toString('hex'); };
const wanted = ['ScanSettings', 'ScanData', 'ScanDataEpc', 'RfidScanResult', 'RfidSighting', 'Location', 'LocalCoordinate'];
for (const name of wanted) {
  const type = space.findDataType(name, ns);
  if (!type) { console.log('no', name); continue; }
  let def = null;
  try { def = type.getDefinition(); } catch { console.log('no definition', name); continue; }
  if (def?.constructor?.name !== 'StructureDefinition') { console.log('not a structure', name, type.nodeId.toString()); continue; }
  lines.push(['def', type.nodeId, String(def.defaultEncodingId).split(';namespaceUri')[0], hex(def.binaryStoreSize(), s => def.encode(s))].join(' '));
}
const make = (name, fields) => space.constructExtensionObject(space.findDataType(name, ns), fields);
const values = [
  ['ScanSettings', { duration: 1500, cycles: 3, dataAvailable: true }],
  ['ScanSettings', { duration: 0, cycles: 0, dataAvailable: false, locationType: 1 }],
  ['ScanData', { string: 'E200-1' }],
  ['ScanData', { byteString: Buffer.from([1, 2]) }],
  ['ScanData', { epc: { pC: 12288, uId: Buffer.from([0xe2]), xPC_W1: 5 } }],
  ['RfidSighting', { antenna: 2, strength: -40, timestamp: new Date('2026-11-23T05:00:00Z'), currentPowerLevel: 30 }],
  ['RfidScanResult', { codeType: 'EPC', scanData: { string: 'tag' }, timestamp: new Date('2026-11-23T05:00:00Z'),
    sighting: [{ antenna: 1, strength: -50, timestamp: new Date('2026-11-23T05:00:00Z'), currentPowerLevel: 27 }] }],
];
for (const [name, fields] of values) {
  const o = make(name, fields);
  const v = new ua.Variant({ dataType: ua.DataType.ExtensionObject, value: o });
  lines.push(['value', hex(v.binaryStoreSize(), s => v.encode(s)), name, JSON.stringify(o.toJSON())].join(' '));
}
fs.writeFileSync(process.argv[2], lines.join('\n') + '\n');
await server.shutdown();
process.exit(0);
