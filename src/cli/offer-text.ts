import type {Offer, OfferedEntry} from '../index.ts';
import {displayName} from './display.ts';
import type {Acquaintance} from './events.ts';
import {formatBytes, formatCount, formatFiles} from './format.ts';
import {isSensitive} from './sensitive.ts';
import {identityText} from './wording.ts';

/** What a person is told before they are asked: who, how much, the largest entries, and what is worth a second look. */
export function offerLines(offer: Offer, acquaintance: Acquaintance, columns: number): string[] {
  const {peer, entries, complete} = offer;
  const width = Math.max(columns - sizeWidth - 3, 20);
  const largest = entries.toSorted((one, other) => other.size - one.size).slice(0, maxEntriesShown);
  const more = entries.length - largest.length;
  const sensitive = entries.filter(({path}) => isSensitive(path));
  return [
    `${identityText({...peer, ...acquaintance})} offers ${amount(offer)}:`,
    ...largest.map((entry) => `${sizeText(entry).padStart(sizeWidth)}  ${displayName(entry.path, width)}`),
    ...(more > 0 ? [`${' '.repeat(sizeWidth)}  and ${formatCount(more)} more`] : []),
    ...(complete
      ? []
      : ['That is not all: whatever else it sends is accepted with these, and not shown before.']),
    ...(sensitive.length > 0 ? [sensitiveText(sensitive, columns)] : []),
  ];
}

/** `at least 3 files and 2 folders, 1.2 GB` */
function amount({files, folders, links, bytes, complete}: Offer): string {
  const counts = [
    formatFiles(files),
    ...(folders > 0 ? [`${formatCount(folders)} ${folders === 1 ? 'folder' : 'folders'}`] : []),
    ...(links > 0 ? [`${formatCount(links)} ${links === 1 ? 'link' : 'links'}`] : []),
  ];
  const last = counts.pop();
  const all = counts.length > 0 ? `${counts.join(', ')} and ${last}` : last;
  return `${complete ? '' : 'at least '}${all}, ${formatBytes(bytes)}`;
}

function sizeText({kind, size}: OfferedEntry): string {
  return kind === 'file' ? formatBytes(size) : kind;
}

function sensitiveText(entries: readonly OfferedEntry[], columns: number): string {
  const shown = entries.slice(0, maxSensitiveShown).map(({path}) => displayName(path, columns));
  const more = entries.length - shown.length;
  const names = [...shown, ...(more > 0 ? [`${formatCount(more)} more`] : [])].join(', ');
  return `Careful: in some folders programs run such files, or let people in by them: ${names}`;
}

const maxEntriesShown = 10;
const maxSensitiveShown = 3;

/** `1.23 GB` and a margin. */
const sizeWidth = 9;
