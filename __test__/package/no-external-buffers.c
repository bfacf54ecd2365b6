/* Refuses memory that JavaScript would be lent, as Electron does, and says who asked for it. The addon looks functions of
   Node-API up by name, so that is where it is answered. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { NO_EXTERNAL_BUFFERS_ALLOWED = 22 };

static int refuse_arraybuffer(void) {
  fputs("asked for an external ArrayBuffer\n", stderr);
  return NO_EXTERNAL_BUFFERS_ALLOWED;
}

static int refuse_buffer(void) {
  fputs("asked for an external Buffer\n", stderr);
  return NO_EXTERNAL_BUFFERS_ALLOWED;
}

void *dlsym(void *handle, const char *name) {
  if (strcmp(name, "napi_create_external_arraybuffer") == 0) {
    fputs("looked for external ArrayBuffers\n", stderr);
    return (void *)refuse_arraybuffer;
  }
  if (strcmp(name, "napi_create_external_buffer") == 0) {
    fputs("looked for external Buffers\n", stderr);
    return (void *)refuse_buffer;
  }
  static void *(*next)(void *, const char *);
  if (next == NULL) next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");
  if (next == NULL) next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
  return next(handle, name);
}
