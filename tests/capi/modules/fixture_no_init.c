/* A module without _init: no launch succeeds. */
void* fixture_no_init_create(void);
void* fixture_no_init_create(void) {
  static int instance;
  return &instance;
}
