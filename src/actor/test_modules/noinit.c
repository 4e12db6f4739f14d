// Lacks the one required function.
int noinit_signal(void* instance, int number);
int noinit_signal(void* instance, int number) {
  (void)instance, (void)number;
  return 0;
}
