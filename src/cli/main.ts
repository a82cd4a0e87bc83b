import { enableCompileCache } from 'node:module';

// Halves the time to the first line. It must be on before anything else is loaded, so the rest is not a static import.
enableCompileCache();

// One small buffer keeps its whole slab alive: 8 kB instead of the runtime's 64 kB (`bench/calls.ts` shows memory).
Buffer.poolSize = 8_192;

// `tibet-sip audit list | head` closes the pipe early: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

const [{ runCommandLine }, { processTerminal }] = await Promise.all([
  import('./program.ts'),
  import('./terminal.ts'),
]);
process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal);
