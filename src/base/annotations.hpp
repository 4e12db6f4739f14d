// Thread-safety attributes, checked by clang (-Wthread-safety); nothing elsewhere.
#pragma once

#if defined(__clang__)
#define SKYLOOM_ATTRIBUTE(x) __attribute__((x))
#else
#define SKYLOOM_ATTRIBUTE(x)
#endif

#define SKYLOOM_CAPABILITY(x) SKYLOOM_ATTRIBUTE(capability(x))
#define SKYLOOM_SCOPED_CAPABILITY SKYLOOM_ATTRIBUTE(scoped_lockable)
#define SKYLOOM_GUARDED_BY(x) SKYLOOM_ATTRIBUTE(guarded_by(x))
#define SKYLOOM_REQUIRES(...) SKYLOOM_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define SKYLOOM_ACQUIRE(...) SKYLOOM_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define SKYLOOM_RELEASE(...) SKYLOOM_ATTRIBUTE(release_capability(__VA_ARGS__))
#define SKYLOOM_TRY_ACQUIRE(...) SKYLOOM_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define SKYLOOM_EXCLUDES(...) SKYLOOM_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define SKYLOOM_NO_THREAD_SAFETY_ANALYSIS SKYLOOM_ATTRIBUTE(no_thread_safety_analysis)
