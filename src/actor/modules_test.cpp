#include "actor/modules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actor/actor_test_support.hpp"

namespace {

std::vector<std::string> g_notes;  // what the loaded modules report

}  // namespace

// Imported by the test modules from the program, as C services import the runtime.
extern "C" {
__attribute__((visibility("default"))) void test_set_callback(skynet_context* context,
                                                              skyloom::actor::Callback callback,
                                                              void* user) {
  skyloom::actor::to_service(context).set_callback(callback, user);
}
__attribute__((visibility("default"))) void test_note(const char* text) {
  g_notes.push_back(text);
}
}

namespace skyloom::actor::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::string kDirectory = SKYLOOM_TEST_MODULES;

TEST(Modules, CheckNamesTheEntryOfThePathThatIsBad) {
  EXPECT_TRUE(Modules::check_cpath("./a/?.so").ok());
  EXPECT_TRUE(Modules::check_cpath("./a/?.so;;./b/?.so;").ok());
  EXPECT_EQ(Modules::check_cpath("./a/?.so;./b/x.so").error(), "cpath: no '?' in './b/x.so'");
  EXPECT_EQ(Modules::check_cpath("./?/?.so").error(), "cpath: more than one '?' in './?/?.so'");
  EXPECT_EQ(Modules::check_cpath("").error(), "cpath: it is empty");
}

TEST(Modules, ABuiltinNeedsAnInitAndAFreeName) {
  Modules modules("?.so");
  const ModuleFunctions functions{nullptr, [](void*, skynet_context*, const char*) { return 0; },
                                  nullptr, nullptr};
  EXPECT_FALSE(modules.register_builtin("none", {}));
  EXPECT_TRUE(modules.register_builtin("one", functions));
  EXPECT_FALSE(modules.register_builtin("one", functions));
  EXPECT_EQ((*modules.find("one"))->name, "one");
}

TEST(Modules, SayWhereTheyLookedForWhatTheyDidNotFind) {
  Modules modules("/nowhere/?.so;/elsewhere/lib?.so");
  EXPECT_EQ(modules.find("thing").error(),
            "module thing not found, tried: /nowhere/thing.so, /elsewhere/libthing.so");
}

TEST(Modules, SayWhyALibraryCannotBeLoaded) {
  Modules modules(kDirectory + "/?.c");  // exists, but is no library
  EXPECT_THAT(modules.find("good").error(), HasSubstr("can't load module good: "));
  EXPECT_THAT(modules.find("good").error(), HasSubstr("good.c"));
}

TEST(Modules, RefuseALibraryWithoutInit) {
  Modules modules(kDirectory + "/?.so");
  EXPECT_EQ(modules.find("noinit").error(),
            "module noinit: " + kDirectory + "/noinit.so has no function noinit_init");
}

TEST(Modules, LoadMoreTypesThanTheOriginalCould) {
  Modules modules("?.so");
  const ModuleFunctions functions{nullptr, [](void*, skynet_context*, const char*) { return 0; },
                                  nullptr, nullptr};
  for (int count = 0; count < 100; ++count) {
    EXPECT_TRUE(modules.register_builtin("type" + std::to_string(count), functions));
  }
  EXPECT_TRUE(modules.find("type99").ok());
}

class ModuleServiceTest : public testing::Test {
 protected:
  ModuleServiceTest() : system_(make_options(), clock_, hooks_, nullptr) {
    register_probe(system_);
    spawn_logger(system_, log_);
    g_notes.clear();
  }
  static Options make_options() {
    Options options = options_with(0);
    options.cpath = "/nowhere/?.so;" + kDirectory + "/?.so";
    return options;
  }

  TestClock clock_;
  Hooks hooks_;
  Record log_;
  System system_;
};

TEST_F(ModuleServiceTest, ASharedObjectLivesThroughItsFourFunctions) {
  const uint32_t handle = system_.launch("good", "argument");
  ASSERT_NE(handle, 0u);
  system_.push(handle, text_message("x"));
  system_.run_until_idle();
  system_.signal(handle, 1);
  system_.kill(handle, 0);
  system_.run_until_idle();
  EXPECT_THAT(g_notes, ElementsAre("argument", "message", "signal", "release"));
}

TEST_F(ModuleServiceTest, TheSymbolsAreNamedAfterThePartBehindTheLastDot) {
  const uint32_t handle = system_.launch("sub.good", nullptr);
  EXPECT_NE(handle, 0u);
  EXPECT_THAT(g_notes, ElementsAre("init"));
}

TEST_F(ModuleServiceTest, AFailingStartIsLoggedAfterItsCause) {
  EXPECT_EQ(system_.launch("failing", nullptr), 0u);
  EXPECT_EQ(system_.launch("missing", nullptr), 0u);
  system_.run_until_idle();
  EXPECT_THAT(g_notes, ElementsAre("all ones"));
  std::vector<std::string> lines;
  for (const Seen& seen : log_.all()) lines.push_back(seen.text);
  EXPECT_THAT(lines, ElementsAre("error: launch failing FAILED",
                                 HasSubstr("module missing not found, tried: /nowhere/missing.so"),
                                 "error: launch missing FAILED"));
}

}  // namespace
}  // namespace skyloom::actor::test
