/* The headers under -std=c11, each also alone (see CMakeLists.txt). What they promise is checked by
 * the compiler, in layout.c; running this program only proves that it was linked. */
int main(void) {
  return 0;
}
