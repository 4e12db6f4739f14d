// What floors and peers share: bind to loopback, say where, end at SIGTERM. A floor does only what
// the kernel demands for its job; it stops with a message where a server would have to cope.
#pragma once

#include <cstdint>

namespace skyloom::floors {

// A bound socket on 127.0.0.1 (type SOCK_STREAM: listening), non-blocking. Port 0: any.
int open_server(int type, uint16_t port);
// Prints "port N" and flushes: the program is ready.
void announce_port(int fd);
// As many descriptors as the system gives.
void raise_descriptor_limit();
// SIGTERM and SIGINT end the program with status 0.
void exit_on_signals();
// Prints the errno and ends the program with status 1.
[[noreturn]] void fail(const char* what);
// The port of the command line; 0 when there is none. `argument` null or not a number: status 2.
uint16_t parse_port(const char* argument);

// The command line of an echo: [--frames] [PORT].
struct EchoArguments {
  bool cuts_frames = false;
  uint16_t port = 0;
};
EchoArguments parse_echo_arguments(int argc, char** argv);

}  // namespace skyloom::floors
