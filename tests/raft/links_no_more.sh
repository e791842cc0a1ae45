#!/bin/sh
# quorate::raft and what it stands on need neither gRPC nor protobuf nor threads: looks at the archives' undefined symbols.
# usage: links_no_more.sh libquorate_raft.a libquorate_base.a
for archive in "$@"; do
  symbols=$(nm --undefined-only --demangle "$archive" 2>/dev/null) || { echo "nm can't read $archive"; exit 1; }
  # An archive without any undefined symbol wasn't looked at properly: everything uses operator new.
  echo "$symbols" | grep -q 'operator new' || { echo "$archive: no symbols found, is it a static library?"; exit 1; }
  if found=$(echo "$symbols" | grep -E 'grpc|google::protobuf|pthread_create|std::thread'); then
    echo "$archive must not need these:"
    echo "$found"
    exit 1
  fi
done
