/* LOGON and LOGOFF; the runner reads the file that they leave. `dump target` is what is dumped: it
 * has a listener, for an event. */
#include "check.h"

static uint32_t target;

static int on_target_message(struct skynet_context* ctx, void* ud, int type, int session,
                             uint32_t source, const void* msg, size_t sz) {
  static int seen;
  (void)ud, (void)source, (void)msg, (void)sz;
  if ((type != SOCKET && session != 3) || ++seen != 2) return 0;
  skynet_send(ctx, 0, skynet_queryname(ctx, ".dump"), TEXT, 9, NULL, 0);
  return 0;
}

static int on_message(struct skynet_context* ctx, void* ud, int type, int session, uint32_t source,
                      const void* msg, size_t sz) {
  (void)ud, (void)source, (void)msg, (void)sz;
  if (is_deadline(ctx, type, session, 0)) return 0;
  if (session == 9) {
    skynet_command(ctx, "LOGOFF", handle_text(target));
    skynet_command(ctx, "LOGOFF", handle_text(target));
    skynet_send(ctx, 0, target, TEXT, 4, "unseen", 6);
    EXPECT("dumps can be switched", 1);
    end_test(ctx);
  }
  return 0;
}

int dump_init(void* inst, struct skynet_context* ctx, const char* parm) {
  (void)inst;
  if (parm != NULL && parm[0] != '\0') {
    skynet_callback(ctx, NULL, on_target_message);
    return skynet_socket_listen(ctx, "127.0.0.1", 0, 1) > 0 ? 0 : 1;
  }
  skynet_callback(ctx, NULL, on_message);
  start_deadline(ctx);
  skynet_command(ctx, "REG", ".dump");
  target = launch(ctx, "dump target");
  skynet_command(ctx, "LOGON", handle_text(target));
  skynet_error(ctx, "TARGET %08x SELF %08x", (unsigned)target, (unsigned)own_handle(ctx));
  skynet_send(ctx, 0, target, TEXT, 1, "AB\x01", 3);
  skynet_send(ctx, 0, target, CLIENT, 2, NULL, 0);
  skynet_send(ctx, 0, target, 200, 3, "z", 1);
  return 0;
}
