/*
 * Lets names change places with others until it is killed: flip FOLDER NAME OTHER [FOLDER NAME OTHER]...
 * Folders are opened once, for what their paths lead to may be among what changes. Says a word when it has begun.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  int count = (argc - 1) / 3;
  int *folders = calloc(count > 0 ? count : 1, sizeof *folders);
  if (count == 0 || folders == NULL) return 2;
  for (int at = 0; at < count; at++) {
    folders[at] = open(argv[1 + 3 * at], O_PATH | O_DIRECTORY);
    if (folders[at] < 0) return perror(argv[1 + 3 * at]), 1;
  }
  for (unsigned long flips = 0;; flips++) {
    /* Whoever is raced may just have removed one of them. */
    for (int at = 0; at < count; at++)
      renameat2(folders[at], argv[2 + 3 * at], AT_FDCWD, argv[3 + 3 * at], RENAME_EXCHANGE);
    if (flips == 0) puts("flipping"), fflush(stdout);
  }
}
