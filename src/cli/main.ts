import { enableCompileCache } from 'node:module';

// Halves the time to the first line. It must be on before anything else is loaded, so the rest is not a static import.
enableCompileCache();

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
