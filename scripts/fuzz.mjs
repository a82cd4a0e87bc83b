// npm run fuzz -- [--seconds 60] [--target uri] [--seed 1] [--save]: a coverage-guided fuzzer over all that reads
// bytes of strangers. Writes what brings a target down into test/fuzz/crashers/, where the tests replay it for ever,
// and with --save what reached new code into test/fuzz/corpus/. Ends with 1 when it found a crasher.
//
// It is our own because Jazzer.js 4.0.0 is a native addon that wants glibc 2.38 (Debian 12 and Ubuntu 22.04 have
// older ones) and instruments what `require` loads, not the TypeScript modules that Node runs directly. V8's block
// coverage does both jobs: it knows every block of every module, and costs nothing to install.
import { parseArgs } from 'node:util';
import { corpusOf, crashersOf, saveCrasher, saveToCorpus } from '../test/fuzz/corpus.ts';
import { Fuzzer } from '../test/fuzz/fuzzer.ts';
import { diceOf } from '../test/fuzz/mutation.ts';
import { fuzzTargets } from '../test/fuzz/targets.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string' },
    seed: { type: 'string' },
    save: { type: 'boolean', default: false },
  },
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const names = Object.keys(fuzzTargets).filter(
  (name) => values.target === undefined || name === values.target,
);
const secondsEach = Number(values.seconds) / names.length;
if (names.length === 0 || !(secondsEach > 0) || !Number.isInteger(seed)) {
  console.error(
    `fuzz: --target is one of ${Object.keys(fuzzTargets).join(', ')}; --seconds and --seed are numbers`,
  );
  process.exit(2);
}

/** Long inputs slow every later run down, and hardly ever reach what shorter ones don't. */
const maxSavedBytes = 1_024;
let crashes = 0;
console.log(`seed ${seed}`);
for (const name of names) {
  const corpus = [...corpusOf(name), ...crashersOf(name)].map(({ bytes }) => bytes);
  const fuzzer = new Fuzzer({ target: fuzzTargets[name], corpus, dice: diceOf(seed) });
  fuzzer.run(secondsEach * 1_000);
  const { runs, covered, found } = fuzzer;
  console.log(
    `${name}: ${runs} runs, ${Math.round(runs / secondsEach)} per second, ${covered} characters of source reached, ` +
      `${found.length} new inputs, ${fuzzer.crashes.length} crashers`,
  );
  if (values.save) for (const bytes of found) if (bytes.length <= maxSavedBytes) saveToCorpus(name, bytes);
  for (const { bytes, error } of fuzzer.crashes) console.log(`  ${saveCrasher(name, bytes)}`, error);
  crashes += fuzzer.crashes.length;
}
console.log(crashes === 0 ? 'nothing found' : `${crashes} crashers found: test/fuzz/crashers/ has them`);
process.exitCode = crashes === 0 ? 0 : 1;
