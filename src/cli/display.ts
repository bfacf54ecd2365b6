/**
 * Text from a peer or a disk, made safe to show: whatever moves the cursor, hides, reorders or is no character at all
 * is escaped as `\u{…}`, so that no name can pass for another or for output of ours. Cut in its middle beyond the
 * limit, in characters, because a path's beginning and end tell most.
 */
export function displayName(text: string, limit = 200): string {
  const characters = Array.from(text.replaceAll(unsafe, escape));
  if (characters.length <= limit) return characters.join('');
  const head = Math.floor((limit - 1) / 2);
  const tail = limit - 1 - head;
  return `${characters.slice(0, head).join('')}…${characters.slice(-tail).join('')}`;
}

/**
 * Controls, format characters (bidirectional and zero-width ones among them), lone surrogates, line separators, all
 * else that is drawn as nothing (but for what makes an emoji one), and what is piled upon a character beyond four
 * marks, more than any writing has.
 */
export const unsafe =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]|(?!\ufe0f)\p{DI}|(?<!\p{ExtPict})\ufe0f|(?<=\p{M}{4})\p{M}/gu;

function escape(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
