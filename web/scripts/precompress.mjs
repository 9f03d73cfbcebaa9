// Writes NAME.gz beside every text asset over 1 KB in dist, for the server that sends files pre-compressed,
// and fails when the first load (index.html with what it links) is over its budget.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { constants, gzipSync } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const text = /\.(html|js|mjs|css|svg|json|webmanifest|txt|wasm)$/;
const firstLoadMax = 450 * 1024;
const sizes = new Map();

for (const name of readdirSync(dist, { recursive: true })) {
  const file = join(dist, name);
  if (!text.test(name) || !statSync(file).isFile()) continue;
  const raw = readFileSync(file);
  const packed = gzipSync(raw, { level: constants.Z_BEST_COMPRESSION });
  sizes.set(name, packed.length);
  if (raw.length > 1024 && packed.length < raw.length) writeFileSync(`${file}.gz`, packed);
}

const html = readFileSync(join(dist, 'index.html'), 'utf8');
const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map((m) => m[1]);
const total = first.reduce((sum, name) => sum + (sizes.get(name) ?? 0), sizes.get('index.html') ?? 0);
const all = [...sizes.values()].reduce((a, b) => a + b, 0);
console.log(`first load ${(total / 1024).toFixed(0)} KB gz (budget 450), everything ${(all / 1024).toFixed(0)} KB gz, ${sizes.size} files`);
if (total > firstLoadMax) {
  console.error('the first load is over its budget: make something lazy');
  process.exit(1);
}
