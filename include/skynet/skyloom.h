/* What Skyloom adds to Skynet's C interface. Names begin with skyloom_; nothing here blocks. */
#ifndef SKYNET_SKYLOOM_H
#define SKYNET_SKYLOOM_H

#include <stddef.h>
#include <stdint.h>

#include "skynet.h"

/* Who cuts a byte stream into frames, and how. With a framing the engine does, before a service
 * runs: each DATA event is then one whole frame, without its header; empty frames are skipped. */
#define SKYLOOM_FRAMING_NONE 0     /* the stream as it comes */
#define SKYLOOM_FRAMING_LENGTH16 1 /* 2-byte big-endian length of the payload */
#define SKYLOOM_FRAMING_LENGTH32 2 /* 4-byte big-endian length of the payload */
#define SKYLOOM_FRAMING_LINE 3     /* up to '\n'; a '\r' before it is not part of the line */
/* Or-ed into a framing by length: frames without payload are told, too, as blocks of 0 bytes. */
#define SKYLOOM_FRAMING_KEEP_EMPTY 0x100

#ifdef __cplusplus
extern "C" {
#endif

/* From the next byte read on. A frame of more than `frame_bytes_max` bytes ends the socket: ERROR
 * with the text "frame too large", then CLOSE. In the order of the caller's other commands on this
 * socket: call it before skynet_socket_start. 0, or -1 for an unknown framing; an unknown id is
 * ignored. Any thread. */
int skyloom_socket_framing(struct skynet_context* context, int id, int framing,
                           size_t frame_bytes_max);

/* Frames of this socket go straight to the service `to` as messages of this source, type and
 * session, the frame as payload; everything else still goes to the owner. `source` 0: the caller.
 * `to` 0: back to the owner, as DATA. For what the peer sends after the call. Frames that the
 * owner got before are the owner's to pass on. 0, or -1 for a type beyond 255 or one whose payloads
 * hold pointers (PTYPE_MULTICAST, PTYPE_SYSTEM, PTYPE_HARBOR): what a peer sends must never be read
 * as one. A PTYPE_SOCKET message with a source is no event of the runtime. An unknown id is
 * ignored. Any thread. */
int skyloom_socket_route(struct skynet_context* context, int id, uint32_t to, uint32_t source,
                         int type, int session);

/* As skynet_socket_pause, when the socket is the caller's: one that another service has started
 * meanwhile goes on. */
void skyloom_socket_pause_own(struct skynet_context* context, int id);

/* Options of a socket that lives. */
#define SKYLOOM_OPTION_NODELAY 1            /* 0 or 1 */
#define SKYLOOM_OPTION_KEEPALIVE 2          /* 0 or 1; every TCP socket begins with 1 */
#define SKYLOOM_OPTION_KEEPALIVE_IDLE 3     /* 1 to 32767 seconds of silence before a probe */
#define SKYLOOM_OPTION_KEEPALIVE_INTERVAL 4 /* 1 to 32767 seconds between two probes */
#define SKYLOOM_OPTION_KEEPALIVE_COUNT 5    /* 1 to 127 unanswered probes end the connection */
#define SKYLOOM_OPTION_USER_TIMEOUT 6       /* milliseconds of unacknowledged output; 0: system's */
#define SKYLOOM_OPTION_RECEIVE_BUFFER 7 /* bytes, from 1 on; also of UDP sockets, like the next */
#define SKYLOOM_OPTION_SEND_BUFFER 8    /* bytes, from 1 on */

/* 0, or -1 for an unknown option or a value outside its range; the log says which. An unknown id,
 * and an option that the socket's kind does not have, is ignored. Of a listener: also of what it
 * accepts from then on. In the order of the caller's other commands on this socket. Any thread. */
int skyloom_socket_set_option(struct skynet_context* context, int id, int option, int value);

/* Whether clients come through a proxy that tells who they are (the PROXY protocol). With it, a
 * client's ACCEPT comes when its header is whole, with the address announced; the header is not
 * data, and whoever sends none in time, or a wrong one, is closed. Only behind a proxy that nobody
 * else can reach past: the address is believed. */
#define SKYLOOM_PROXY_NONE 0
#define SKYLOOM_PROXY_V1 1
#define SKYLOOM_PROXY_V2 2
#define SKYLOOM_PROXY_ANY 3 /* one of them */

/* What becomes of a send when the connection's queued output is at its limit. */
#define SKYLOOM_WBUFFER_CLOSE 1    /* ERROR, then CLOSE */
#define SKYLOOM_WBUFFER_REFUSE 2   /* the send fails */
#define SKYLOOM_WBUFFER_DROP_LOW 3 /* low-priority output goes first, then the send fails */

/* Zero everything, then set `size` to the size of the struct and what you want: every 0 is the
 * default. Fields may be added behind the last one; a struct of an older program stays valid, and
 * one of a newer program is refused when it asks for what this node does not know. Nothing is kept
 * of it after the call. */
struct skyloom_listen_options {
  size_t size;
  /* "127.0.0.1", "::1", a name, "unix:/path" or "unix:@name" (then the port means nothing); NULL or
   * empty: 0.0.0.0. "::" hears both families; IPv4 peers are then "::ffff:1.2.3.4:port". */
  const char* host;
  int port;              /* 0: the system picks one */
  int backlog;           /* connections that wait to be accepted; 0 or less: the system's maximum */
  int reuse_port;        /* 1: other listeners that say so too, of any process, share the port */
  int v6_only;           /* 1: "::" hears IPv6 alone */
  int file_mode;         /* permissions of a unix socket's file, 1 to 0777; 0: by umask */
  int proxy;             /* SKYLOOM_PROXY_... */
  int proxy_optional;    /* 1: a client that begins without a header is taken as it is; when it says
                          * nothing, at handshake_timeout */
  int handshake_timeout; /* milliseconds for the whole header; 0: net_handshake_timeout */
  /* Of all accepted sockets; ranges as of SKYLOOM_OPTION_..., 0: the node's or the system's. */
  int nodelay;
  int keepalive_idle;
  int keepalive_interval;
  int keepalive_count;
  int user_timeout;
  int receive_buffer;
  int send_buffer;
  /* In place of the node's (the keys of the configuration): 0: the node's, -1: no limit.
   * Connections keep them when their listener is gone. */
  int max_per_listener; /* net_max_per_listener; more are closed before anybody hears of them */
  int max_per_ip;       /* net_max_per_ip; when it is another than the node's, this listener counts
                         * for itself */
  int accept_rate;      /* net_accept_rate: per second, more wait in the backlog */
  int first_byte_timeout; /* net_first_byte_timeout, milliseconds like all of them */
  int idle_timeout;       /* net_idle_timeout */
  int frame_timeout;      /* gate_frame_timeout */
  int write_timeout;      /* net_write_timeout */
  int linger_timeout;     /* net_linger_timeout */
  int frame_max;          /* bytes, beside the limit that the framing is set with */
  int wbuffer_policy;     /* SKYLOOM_WBUFFER_...; 0: net_wbuffer_policy */
  int64_t wbuffer_max;    /* net_wbuffer_max: bytes of queued output, up to 1 << 40 */
};

/* An id, or -1; the log says why. Accepts after skynet_socket_start. Any thread. The file of a unix
 * socket that nobody listens on any more is replaced, and goes when this listener ends. */
int skyloom_socket_listen(struct skynet_context* context,
                          const struct skyloom_listen_options* options);

/* As above. */
struct skyloom_connect_options {
  size_t size;
  const char* host; /* as above, but never empty */
  int port;
  int nodelay;
  int keepalive_idle;
  int keepalive_interval;
  int keepalive_count;
  int user_timeout;
  int receive_buffer;
  int send_buffer;
};

/* An id, or -1; the log says why. Reads by itself. Any thread. */
int skyloom_socket_connect(struct skynet_context* context,
                           const struct skyloom_connect_options* options);

/* As skynet_socket_udp_dial, for questions to one server: nobody else is heard, the default
 * destination stays, and when the network tells that nobody is there, or no way leads there, the
 * socket ends with one ERROR. An id, or -1; the log says why. Any thread. */
int skyloom_socket_udp_dial(struct skynet_context* context, const char* host, int port);

/* How OBJECT buffers are read and freed (socket_server.h); copied. One table for the whole node,
 * before the first object is sent; setting the same one again is harmless. Any thread. */
struct socket_object_interface;
void skyloom_socket_userobject(const struct socket_object_interface* interface);

/* Cancels a timer of the command TIMEOUT by its session. 1: its message will not come; 0: it has
 * come, is in the mailbox already, or was never set. Only from the context's own callback. */
int skyloom_timeout_cancel(struct skynet_context* context, int session);

/* Asks the node's resolver for the addresses of `host`. The session (> 0) of the answer, a
 * PTYPE_RESPONSE of source 0: SKYLOOM_RESOLVED and the addresses ("127.0.0.1", "::1"), one a line,
 * in the order in which they should be tried; or SKYLOOM_UNRESOLVED and the reason. The deadline is
 * the caller's: the answer may come late, or never. -1: `host` is NULL, empty or longer than 255
 * bytes, or there is no memory. Only from the context's own callback. */
#define SKYLOOM_RESOLVED '+'
#define SKYLOOM_UNRESOLVED '-'
int skyloom_resolve(struct skynet_context* context, const char* host);

/* The type and the local name of the service that does the same for whoever sends it a host as a
 * request, and keeps the deadline (dns_timeout): PTYPE_RESPONSE as above, once. Launch it when it
 * is not there. */
#define SKYLOOM_RESOLVER "skyloom_resolver"

#ifdef __cplusplus
}
#endif

#endif
