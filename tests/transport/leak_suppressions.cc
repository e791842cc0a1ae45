// Under AddressSanitizer: c-ares, which gRPC resolves names with, keeps ten bytes of its own at exit. Nothing of ours
// is behind that. Without the sanitizer nobody calls this.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libcares"; }
