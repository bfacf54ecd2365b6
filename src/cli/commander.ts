import {createRequire} from 'node:module';
import type * as typed from '@commander-js/extra-typings';

/**
 * commander under types that infer arguments and options from their flags. Only the types come from that other
 * package, so nothing of it is needed at run time. It is CommonJS: required, it loads 2 ms sooner.
 */
const {Command, Option, InvalidArgumentError, CommanderError} = createRequire(import.meta.url)(
  'commander',
) as typeof typed;
type Command = typed.Command;

export {Command, CommanderError, InvalidArgumentError, Option};
