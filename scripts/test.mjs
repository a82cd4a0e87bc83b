// npm test: installs what the tests need, runs them, and ends with one line "N passed, N failed".
// Arguments go to vitest: npm test -- test/config
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDebianPackages, installLine } from './debian-packages.mjs';

const missing = ensureDebianPackages();
const scratch = mkdtempSync(join(tmpdir(), 'tibet-sip-test-'));
const report = join(scratch, 'report.json');
const run = spawnSync(
  'vitest',
  ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...process.argv.slice(2)],
  { stdio: ['ignore', 'inherit', 'inherit'] },
);
const { passed, failed, skipped } = count(readReport(report), run.status === 0);
rmSync(scratch, { recursive: true, force: true });
if (missing.length > 0)
  console.log(`Some tests were skipped. To run them all, first run: ${installLine(missing)}`);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 ? 1 : 0;

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** A file that doesn't load, an unhandled error or a runner that died counts as one failure: it must not pass as green. */
function count(results, exitedClean) {
  if (!results) return { passed: 0, failed: 1, skipped: 0 };
  const brokenFiles = results.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = results.numFailedTests + brokenFiles;
  return {
    passed: results.numPassedTests,
    failed: failed === 0 && !exitedClean ? 1 : failed,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}
