/* LAUNCH: what it finds, how modules see their arguments, and how every failure is NULL. */
#include "check.h"

static atomic_int create_count, release_count;

/* The same module is also what is launched: `launching fail`, `launching ok WORDS`. */
void* launching_create(void) {
  ++create_count;
  return calloc(1, 1);
}
void launching_release(void* inst) {
  ++release_count;
  free(inst);
}

static char arguments[256];

static int ignore(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                  const void* msg, size_t sz) {
  (void)ctx, (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  return 0;
}

static void good(struct skynet_context* ctx) {
  const char* text = skynet_command(ctx, "LAUNCH", "launching ok  two  words ");
  unsigned handle = 0;
  int used = 0;
  EXPECT("LAUNCH gives a handle", text != NULL && sscanf(text, ":%8X%n", &handle, &used) == 1);
  EXPECT("in 8 digits", used == 9 && text[9] == '\0');
  EXPECT("arguments arrive as they are", strcmp(arguments, "ok  two  words ") == 0);
  text = skynet_command(ctx, "LAUNCH", "launching ok line\nsecond");
  EXPECT("arguments end with the line", text != NULL && strcmp(arguments, "ok line") == 0);
  unsigned second = 0;
  sscanf(text ? text : "", ":%8X", &second);
  EXPECT("handles increase", second == handle + 1);
  EXPECT("a dotted module exports its last part", launch(ctx, "fixture.dotted_part words") != 0);
  EXPECT("a module is opened once for all its services", create_count == 3);
  EXPECT("built-in services need no module file", launch(ctx, "logger /dev/null") != 0);
}

static void bad(struct skynet_context* ctx) {
  const int created = create_count, released = release_count;
  EXPECT("_init that fails fails the launch", launch(ctx, "launching fail") == 0);
  EXPECT("the instance of a failed launch is released",
         create_count == created + 1 && release_count == released + 1);
  EXPECT("_create without an instance fails the launch", launch(ctx, "fixture_no_instance") == 0);
  EXPECT("a module without _init fails", launch(ctx, "fixture_no_init") == 0);
  EXPECT("a file that is no module fails", launch(ctx, "fixture_garbage") == 0);
  EXPECT("an unknown module fails", launch(ctx, "no_such_module with arguments") == 0);
  EXPECT("a path is no module name", launch(ctx, "../modules/launching ok") == 0);
  EXPECT("an absolute path is no module name", launch(ctx, "/tmp/launching ok") == 0);
  EXPECT("a folder is no part of a name", launch(ctx, "./launching ok") == 0);
  EXPECT("no name is no module", launch(ctx, "") == 0 && launch(ctx, " launching") == 0);
  EXPECT("a pattern is no module name", launch(ctx, "?") == 0);
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)type, (void)session, (void)source, (void)msg, (void)sz;
  good(ctx);
  bad(ctx);
  end_test(ctx);
  return 0;
}

int launching_init(void* inst, struct skynet_context* ctx, const char* parm) {
  snprintf(arguments, sizeof arguments, "%s", parm ? parm : "");
  if (parm != NULL && strcmp(parm, "fail") == 0) return 1;
  if (parm != NULL && strncmp(parm, "ok", 2) == 0) {
    skynet_callback(ctx, inst, ignore);
    return 0;
  }
  skynet_callback(ctx, inst, on_message);
  skynet_send(ctx, 0, own_handle(ctx), TEXT, 1, NULL, 0);
  return 0;
}
