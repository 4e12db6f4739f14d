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
 * `to` 0: back to the owner, as DATA. Ordered like skyloom_socket_framing. Frames that the owner
 * got before are the owner's to pass on. 0, or -1 for a type beyond 255 or one whose payloads hold
 * pointers (PTYPE_MULTICAST, PTYPE_SYSTEM, PTYPE_HARBOR, PTYPE_SOCKET): what a peer sends must
 * never be read as one. An unknown id is ignored. Any thread. */
int skyloom_socket_route(struct skynet_context* context, int id, uint32_t to, uint32_t source,
                         int type, int session);

/* How OBJECT buffers are read and freed (socket_server.h); copied. One table for the whole node,
 * before the first object is sent; setting the same one again is harmless. Any thread. */
struct socket_object_interface;
void skyloom_socket_userobject(const struct socket_object_interface* interface);

/* Cancels a timer of the command TIMEOUT by its session. 1: its message will not come; 0: it has
 * come, is in the mailbox already, or was never set. Only from the context's own callback. */
int skyloom_timeout_cancel(struct skynet_context* context, int session);

#ifdef __cplusplus
}
#endif

#endif
