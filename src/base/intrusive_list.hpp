// A doubly linked list of objects that carry their own links: no allocation, removal in O(1) from
// the object alone. The list owns nothing. Home: whoever guards its elements.
#pragma once

#include "base/check.hpp"

namespace skyloom::base {

// Derive from ListLink<Tag> once for each list an object can be in.
template <class Tag>
struct ListLink {
  ListLink* previous = nullptr;
  ListLink* next = nullptr;

  bool is_linked() const noexcept { return next != nullptr; }
  void unlink() noexcept {
    if (!is_linked()) return;
    previous->next = next;
    next->previous = previous;
    previous = next = nullptr;
  }
};

template <class T, class Tag>
class IntrusiveList {
 public:
  IntrusiveList() noexcept { head_.previous = head_.next = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool is_empty() const noexcept { return head_.next == &head_; }
  T* front() noexcept { return is_empty() ? nullptr : static_cast<T*>(head_.next); }

  void push_back(T& item) noexcept {
    ListLink<Tag>& link = item;
    SKYLOOM_CHECK(!link.is_linked());
    link.previous = head_.previous;
    link.next = &head_;
    head_.previous->next = &link;
    head_.previous = &link;
  }

  T* pop_front() noexcept {
    T* item = front();
    if (item != nullptr) static_cast<ListLink<Tag>*>(item)->unlink();
    return item;
  }

  // Moves everything of `other` behind our own elements.
  void splice_back(IntrusiveList& other) noexcept {
    if (other.is_empty()) return;
    other.head_.next->previous = head_.previous;
    head_.previous->next = other.head_.next;
    other.head_.previous->next = &head_;
    head_.previous = other.head_.previous;
    other.head_.previous = other.head_.next = &other.head_;
  }

  // The element behind `item`, or null at the end.
  T* next_of(T& item) noexcept {
    ListLink<Tag>* next = static_cast<ListLink<Tag>&>(item).next;
    return next == &head_ ? nullptr : static_cast<T*>(next);
  }

 private:
  ListLink<Tag> head_;
};

}  // namespace skyloom::base
