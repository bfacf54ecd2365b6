import * as commander from 'commander';
import type * as typed from '@commander-js/extra-typings';

/**
 * commander under types that infer arguments and options from their flags. Only the types come from that other
 * package, so nothing of it is needed at run time.
 */
const {Command, Option, InvalidArgumentError, CommanderError} = commander as unknown as typeof typed;
type Command = typed.Command;

export {Command, CommanderError, InvalidArgumentError, Option};
