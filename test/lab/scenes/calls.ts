import { callAndListen, hangUp, inWords } from './call.ts';
import { appear, type CastName } from './cast.ts';
import type { Scene } from './scene.ts';

function calls(where: string, pairs: readonly (readonly [CastName, CastName])[]): Scene {
  return {
    title: `phones ${where} call each other by name, and each hears the other`,
    play: async (stage) => {
      for (const [from, to] of pairs) {
        const [caller, callee] = [await appear(stage, from), await appear(stage, to)];
        const { callerHeard, calleeHeard } = await callAndListen(caller, callee);
        await hangUp(caller, callee);
        stage.say(
          `${from} (${caller.program}) calls ${to} (${callee.program}): ` +
            `${to} hears ${inWords(calleeHeard)}, ${from} hears ${inWords(callerHeard)}`,
        );
      }
    },
  };
}

export const differentCarriers: Scene = calls('behind different carriers', [
  ['alice', 'bob'],
  ['bob', 'alice'],
  ['alice', 'dave'],
  ['dave', 'alice'],
]);

export const sameCarrier: Scene = calls('behind the same carrier', [
  ['alice', 'carol'],
  ['carol', 'alice'],
  ['alice', 'erin'],
  ['erin', 'alice'],
]);
