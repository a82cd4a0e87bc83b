// A lab that stands until its process ends, for the test that ends it: prints its directory and a program's pid.
import { LabNetwork } from '../network.ts';

const { sandbox } = await LabNetwork.build();
const program = sandbox.spawn('gateway', ['sleep', '600'], { stdio: 'ignore' });
console.log(`${sandbox.directory} ${program.pid}`);
setInterval(() => {}, 60_000);
