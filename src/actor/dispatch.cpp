// What a worker does with a service: a slice of its messages, and its end.
#include <cstdlib>

#include "actor/dump.hpp"
#include "actor/service_scope.hpp"
#include "actor/system.hpp"

namespace skyloom::actor {

void System::run_slice(Worker& worker, Runnable& item) noexcept {
  auto& service = static_cast<Service&>(item);
  Mailbox& mailbox = service.mailbox_;
  const uint32_t handle = service.handle();
  enum class End : uint8_t { kIdle, kMore, kDying } end = End::kMore;
  {
    ServiceScope scope(service);
    const bool is_timed = options_.profile && worker.is_metering;  // up to a moment ago
    const base::Nanos start = is_timed ? worker.meter.mark() : clock_.now();
    base::Nanos now = start;
    if (options_.profile && !is_timed) worker.meter.start(start);
    // Behind a slice that took long others have waited, so time alone ends theirs.
    const uint32_t messages_max = worker.was_long ? UINT32_MAX : kSliceMessagesMax;
    for (uint32_t handled = 0;; ++handled) {
      if (mailbox.is_dying()) {
        end = End::kDying;
        break;
      }
      if (!mailbox.has_batch()) {
        const Mailbox::Taken taken = take_batch(mailbox, handle);
        if (taken != Mailbox::Taken::kMessages) {
          end = taken == Mailbox::Taken::kIdle ? End::kIdle : End::kDying;
          break;
        }
      }
      if (handled >= messages_max || now - start >= kSliceTimeMax) break;
      now = dispatch_one(worker, service);
      if (mailbox.is_full()) settle(mailbox, handle);
    }
    worker.was_long = now - start >= kSliceTimeMax;
    worker.slice_end = now;
    // For the monitor, which only compares.
    worker.message_destination.store(0, std::memory_order_relaxed);
  }
  if (end == End::kMore) {
    settle(mailbox, handle);
    scheduler_.requeue(service);
  }
  hooks_.on_slice_end();  // unless it is dying, the service may be somebody else's by now
  worker.is_metering = end != End::kDying;
  if (end == End::kDying) release(service);
}

Mailbox::Taken System::take_batch(Mailbox& mailbox, uint32_t handle) noexcept {
  Mailbox::Notes notes;
  const Mailbox::Taken taken = mailbox.take_batch(notes, options_.limits.mailbox);
  tell(handle, notes);
  return taken;
}

void System::settle(Mailbox& mailbox, uint32_t handle) noexcept {
  Mailbox::Notes notes;
  mailbox.settle(notes, options_.limits.mailbox);
  tell(handle, notes);
}

void System::tell(uint32_t handle, const Mailbox::Notes& notes) noexcept {
  if (notes.overload != 0) {
    logf(handle, "error: May overload, message queue length = %zu", notes.overload);
  }
  if (notes.drained) hooks_.on_drained(handle);
}

base::Nanos System::dispatch_one(Worker& worker, Service& service) noexcept {
  const RawMessage message = service.mailbox_.pop();
  service.mailbox_.count_popped(weigh(message));
  // Figures and marks for the monitor: one writer, readers only look.
  worker.message_source.store(message.source, std::memory_order_relaxed);
  worker.message_destination.store(service.handle(), std::memory_order_relaxed);
  worker.message_number.store(worker.message_number.load(std::memory_order_relaxed) + 1,
                              std::memory_order_relaxed);
  service.messages_.store(service.messages() + 1, std::memory_order_relaxed);

  if (service.dumping_.load(std::memory_order_relaxed)) dump_message(service, message);
  int is_kept = 0;
  if (service.callback_ != nullptr) {
    is_kept = service.callback_(to_context(service), service.user_, message.type(), message.session,
                                message.source, message.data, message.size());
  } else {
    hooks_.dispose_inner(message);
  }
  if (is_kept == 0) std::free(message.data);
  const base::Nanos now = clock_.now();
  if (options_.profile) {
    const base::Nanos cpu = service.cpu() + worker.meter.lap(now);
    service.cpu_ns_.store(cpu.count(), std::memory_order_relaxed);  // as above
  }
  return now;
}

// The end of a service whose mailbox the caller holds; the service is somebody else's afterwards.
void System::release(Service& service) noexcept {
  if (!service.mailbox_.may_release()) return;  // the last unpin() queues it once more
  const uint32_t handle = service.handle();
  if (service.hears_last_words_) dispatch_last_words(service);
  answer_unhandled(service);
  close_dump(service, handle);
  if (service.module_->functions.release != nullptr) {
    ServiceScope scope(service);
    service.module_->functions.release(service.instance_);
  }
  // Behind `_release`, where the finalizers of a script may have opened something.
  if (service.owns_outside.exchange(false)) hooks_.on_gone(handle);
  hooks_.on_slice_end();  // `_release` may have closed sockets
  const bool is_counted = !service.is_harbor_;
  const bool is_drain_owed = service.mailbox_.close();
  give_back(service);
  if (is_drain_owed) hooks_.on_drained(handle);
  if (!is_counted) return;
  const uint32_t others = counted_.fetch_sub(1) - 1;
  if (others == 0) hooks_.on_empty();
  if (others == 1 && aborting_.load()) retire_log_service();
}

void System::dispatch_last_words(Service& service) noexcept {
  ServiceScope scope(service);
  RawMessage message;
  while (service.mailbox_.pop_unhandled(message)) {
    const int kept =
        service.callback_ == nullptr
            ? 0
            : service.callback_(to_context(service), service.user_, message.type(), message.session,
                                message.source, message.data, message.size());
    if (kept == 0) std::free(message.data);
  }
}

// Everybody whose message will never be handled hears of it (contract 3.7).
void System::answer_unhandled(Service& service) noexcept {
  RawMessage message;
  while (service.mailbox_.pop_unhandled(message)) {
    // To the sender it must not look like the failure of a call of its own when the session is not
    // its own. Session 0 tells that we are gone.
    const bool is_senders = has_senders_session(message.type());
    send_error(service.handle(), message.source, is_senders ? message.session : 0);
    dispose(message, service.is_harbor_);
  }
}

void System::on_stuck_slice() noexcept {
  hooks_.flush_stale();
}

void System::on_stuck_message(Worker& worker, uint64_t number) noexcept {
  const uint32_t source = worker.message_source.load(std::memory_order_relaxed);  // for a log line
  const uint32_t handle = worker.message_destination.load(std::memory_order_relaxed);  // as above
  Service* service = find(handle);
  if (service != nullptr) {
    service->mailbox_.with_alive(handle, [&] { service->endless.store(true); });
  }
  logf(0, "error: A message from [ :%08x ] to [ :%08x ] maybe in an endless loop (version = %d)",
       source, handle, static_cast<int>(number & INT32_MAX));
}

base::Nanos System::message_cpu(Service& self) const noexcept {
  const Worker* worker = scheduler_.current_worker();
  if (!options_.profile || worker == nullptr || current_service() != &self) return base::Nanos(0);
  return worker->meter.peek(clock_.now());
}

}  // namespace skyloom::actor
