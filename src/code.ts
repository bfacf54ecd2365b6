import {HawserError} from './errors.ts';
import * as native from './native.ts';

/**
 * Throws an `INVALID_OPTION`, which names the word that no code has, unless a text may be the code of a
 * {@link CodeListener}: a slip of the keyboard then costs none of the tries that a code has. Nobody is asked.
 */
export function checkCode(code: string): void {
  if (typeof code !== 'string') throw new HawserError('INVALID_OPTION', 'the code must be a string');
  native.checkCode(code);
}
