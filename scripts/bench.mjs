// npm run bench: installs the programs that this gateway is measured beside, and measures; see --help.
import { ensureDebianPackages, installLine } from './debian-packages.mjs';

const missing = ensureDebianPackages([
  'kamailio',
  'kamailio-tls-modules',
  'kamailio-websocket-modules',
  'redis-server',
  'openssl',
]);
if (missing.length > 0) {
  console.error(`bench: first run ${installLine(missing)}`);
  process.exit(1);
}
await import('../bench/versus/run.ts');
