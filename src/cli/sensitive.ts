/** What programs run, or let people in by, when it lies in somebody's home folder or in a repository. */
const paths: readonly string[] = [
  '.bash_aliases',
  '.bash_login',
  '.bash_logout',
  '.bash_profile',
  '.bashrc',
  '.cargo/config',
  '.cargo/config.toml',
  '.config/autostart',
  '.config/environment.d',
  '.config/fish',
  '.config/git',
  '.config/systemd',
  '.envrc',
  '.gitconfig',
  '.gnupg',
  '.local/bin',
  '.npmrc',
  '.profile',
  '.pythonrc',
  '.ssh',
  '.vim',
  '.vimrc',
  '.xinitrc',
  '.xprofile',
  '.zlogin',
  '.zprofile',
  '.zshenv',
  '.zshrc',
  'appdata/roaming/microsoft/windows/start menu/programs/startup',
  'library/launchagents',
];

/** The same, wherever it lies: in each repository below. */
const pathsAnywhere: readonly string[] = ['.git/config', '.git/hooks', '.git/modules'];

/** Whether a path, relative to the folder that is written into, is one of them or lies in one. */
export function isSensitive(path: string): boolean {
  // In lower case, for file systems that know no difference.
  const folded = `/${path.toLowerCase()}/`;
  return (
    paths.some((sensitive) => folded.startsWith(`/${sensitive}/`)) ||
    pathsAnywhere.some((sensitive) => folded.includes(`/${sensitive}/`))
  );
}
