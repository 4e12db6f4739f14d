/* Text commands that answer at once, well-formed and not. */
#include "check.h"

static int is(const char* text, const char* expected) {
  return text != NULL && strcmp(text, expected) == 0;
}

static void names(struct skynet_context* ctx) {
  char self[16];
  snprintf(self, sizeof self, "%s", skynet_command(ctx, "REG", ""));
  EXPECT("REG without a name gives the own handle", is(self, handle_text(own_handle(ctx))));
  EXPECT("REG gives the name without its dot", is(skynet_command(ctx, "REG", ".one"), "one"));
  EXPECT("a name cannot be taken twice", skynet_command(ctx, "REG", ".one") == NULL);
  EXPECT("a second name is possible", is(skynet_command(ctx, "REG", ".two"), "two"));
  EXPECT("a global name cannot be registered", skynet_command(ctx, "REG", "GLOBAL") == NULL);
  EXPECT("QUERY finds a name", is(skynet_command(ctx, "QUERY", ".two"), self));
  EXPECT("QUERY of an unknown name finds nothing", skynet_command(ctx, "QUERY", ".three") == NULL);
  EXPECT("the logger has its name", is(skynet_command(ctx, "QUERY", ".logger"), ":1"));
  EXPECT("NAME names another service", is(skynet_command(ctx, "NAME", ".log2 :1"), "log2"));
  EXPECT("that name is found", skynet_queryname(ctx, ".log2") == 1);
  EXPECT("NAME does not overwrite", skynet_command(ctx, "NAME", ".log2 :2") == NULL);
  EXPECT("queryname takes numbers", skynet_queryname(ctx, ":aBc") == 0xabc);
  EXPECT("queryname of an unknown name is 0", skynet_queryname(ctx, ".three") == 0);
  EXPECT("queryname of a global name is 0", skynet_queryname(ctx, "GLOBAL") == 0);
}

static void environment(struct skynet_context* ctx) {
  EXPECT("GETENV gives a key of the config",
         is(skynet_command(ctx, "GETENV", "own_key"), "own value"));
  EXPECT("GETENV gives numbers as text", is(skynet_command(ctx, "GETENV", "thread"), "2"));
  EXPECT("GETENV gives switches as words", is(skynet_command(ctx, "GETENV", "own_switch"), "true"));
  EXPECT("GETENV gives defaults", is(skynet_command(ctx, "GETENV", "logservice"), "logger"));
  EXPECT("GETENV of an unknown key is nothing", skynet_command(ctx, "GETENV", "no_key") == NULL);
  skynet_command(ctx, "SETENV", "new_key some words");
  EXPECT("SETENV sets", is(skynet_command(ctx, "GETENV", "new_key"), "some words"));
  EXPECT("getenv sees it", is(skynet_getenv("new_key"), "some words"));
  skynet_command(ctx, "SETENV", "new_key other");
  EXPECT("SETENV keeps an old value", is(skynet_command(ctx, "GETENV", "new_key"), "some words"));
  skynet_setenv("newer_key", "value");
  EXPECT("setenv sets", is(skynet_command(ctx, "GETENV", "newer_key"), "value"));
  const char* lasting = skynet_command(ctx, "GETENV", "own_key");
  skynet_command(ctx, "STARTTIME", NULL);
  skynet_command(ctx, "STAT", "message");
  EXPECT("a result of GETENV lasts", is(lasting, "own value"));
}

static void statistics(struct skynet_context* ctx) {
  EXPECT("STAT mqlen counts what waits", is(skynet_command(ctx, "STAT", "mqlen"), "3"));
  EXPECT("STAT message counts", atoi(skynet_command(ctx, "STAT", "message")) >= 1);
  EXPECT("STAT endless is 0", is(skynet_command(ctx, "STAT", "endless"), "0"));
  EXPECT("STAT cpu is seconds", strchr(skynet_command(ctx, "STAT", "cpu"), '.') != NULL);
  EXPECT("STAT time is seconds", strchr(skynet_command(ctx, "STAT", "time"), '.') != NULL);
  EXPECT("STAT of something else is empty", is(skynet_command(ctx, "STAT", "weather"), ""));
  EXPECT("STARTTIME is starttime",
         strtoul(skynet_command(ctx, "STARTTIME", NULL), NULL, 10) == skynet_starttime());
  EXPECT("the start was in this century", skynet_starttime() > 1700000000u);
  EXPECT("now has begun", skynet_now() < 100000000u);
  EXPECT("a thread's time is counted", skynet_thread_time() > 0);
}

/* D-05: nothing here may end the process, whatever it answers. */
static void malformed(struct skynet_context* ctx) {
  /* KILL first: later it would find the names that REG and NAME give to this service. */
  static const char* const commands[] = {"KILL",   "TIMEOUT", "REG",    "QUERY",    "NAME",
                                         "LAUNCH", "GETENV",  "SETENV", "STAT",     "MONITOR",
                                         "LOGON",  "LOGOFF",  "SIGNAL", "STARTTIME"};
  static const char* const parameters[] = {NULL,
                                           "",
                                           " ",
                                           ":",
                                           ".",
                                           ":zz",
                                           ":ffffffffff",
                                           "0",
                                           "-1",
                                           "99999999999999999999",
                                           ". :1",
                                           ".x",
                                           ".y :",
                                           ".z :0",
                                           "a",
                                           "a b c",
                                           ": :",
                                           ":fffffff0",
                                           ":fffffff0 999999999999",
                                           "\xff\xfe",
                                           "%s%n"};
  for (size_t c = 0; c < sizeof commands / sizeof *commands; ++c) {
    for (size_t p = 0; p < sizeof parameters / sizeof *parameters; ++p) {
      skynet_command(ctx, commands[c], parameters[p]);
    }
  }
  char* long_text = pattern(100001, 7);
  for (int i = 0; i < 100000; ++i) {
    if (long_text[i] == '\0' || long_text[i] == '\n') long_text[i] = 'x';
  }
  long_text[100000] = '\0';
  for (size_t c = 0; c < sizeof commands / sizeof *commands; ++c) {
    skynet_command(ctx, commands[c], long_text);
  }
  free(long_text);
  EXPECT("malformed commands do no harm", 1);
  EXPECT("an unknown command is nothing", skynet_command(ctx, "DANCE", "now") == NULL);
  EXPECT("commands are whole words", skynet_command(ctx, "GETENVX", "thread") == NULL);
}

static void memory(struct skynet_context* ctx) {
  char* copy = skynet_strdup("text");
  EXPECT("strdup copies", is(copy, "text"));
  free(copy);
  char* block = skynet_lalloc(NULL, 0, 10);
  block = skynet_lalloc(block, 10, 10000);
  EXPECT("lalloc grows", block != NULL);
  EXPECT("lalloc frees", skynet_lalloc(block, 10000, 0) == NULL);
  (void)malloc_used_memory();
  (void)malloc_memory_block();
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)msg, (void)sz, (void)source;
  if (type != TEXT || session != 1) return 0;
  statistics(ctx);
  names(ctx);
  environment(ctx);
  memory(ctx);
  malformed(ctx);
  end_test(ctx);
  return 0;
}

int commands_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)parm;
  EXPECT("a module without _create has no instance", inst == (void*)~(uintptr_t)0);
  skynet_callback(ctx, NULL, on_message);
  for (int session = 1; session <= 4; ++session) {
    skynet_send(ctx, 0, own_handle(ctx), TEXT, session, NULL, 0);
  }
  return 0;
}
