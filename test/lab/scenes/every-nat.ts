import { fullCone, homeRouter, type NatBehaviour, symmetricNat } from '../nat-behaviour.ts';
import { callAndListen, hangUp, inWords } from './call.ts';
import type { Scene } from './scene.ts';

/** At home and at the carrier. The phones start anew behind each: another NAT knows nothing of them. */
const behaviours: readonly { readonly name: string; readonly nat: NatBehaviour }[] = [
  { name: 'symmetric', nat: symmetricNat },
  { name: 'full-cone', nat: fullCone },
  { name: 'forgetful', nat: { ...homeRouter, udpTimeoutSeconds: 5 } },
];

export const everyNatNames: readonly string[] = behaviours.flatMap(({ name }) => [`${name}-1`, `${name}-2`]);

/** The last scene: phones that stood behind the NATs before are cut off. */
export const everyNat: Scene = {
  title: 'whatever the NATs are: symmetric twice over, full cone, or forgetful and without hairpin',
  play: async ({ lab, say }) => {
    const { network } = lab;
    for (const { name, nat } of behaviours) {
      await Promise.all([
        network.setCarrier('a', nat),
        network.setCarrier('b', nat),
        network.setHome('a1', nat),
        network.setHome('b1', nat),
      ]);
      const caller = await lab.phone('baresip', `${name}-1`, { home: 'a1', address: '10.0.0.30' });
      const callee = await lab.phone('baresip', `${name}-2`, { home: 'b1', address: '10.0.0.30' });
      const { callerHeard, calleeHeard } = await callAndListen(caller, callee);
      await hangUp(caller, callee);
      say(`${name}: one hears ${inWords(callerHeard)}, the other ${inWords(calleeHeard)}`);
      await Promise.all([lab.leave(caller), lab.leave(callee)]);
    }
  },
};
