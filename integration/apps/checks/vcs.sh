# git. HOME is the scratch directory.
# shellcheck shell=bash

configure_git() {
  git config --global user.email test@example.org
  git config --global user.name test
  git config --global init.defaultBranch main
  git config --global safe.directory '*'
  git config --global gc.auto 0
  git config --global advice.detachedHead false
}

new_repository() { # DIR
  make_tree "$1"
  git -C "$1" init -q
  git -C "$1" add -A
  git -C "$1" commit -qm one
}

# sound: the repository here has no fault, and the work tree no change.
sound() {
  git fsck --strict --no-progress >"$S/fsck" 2>&1 || fail "fsck: $(cat "$S/fsck")"
  if grep -E 'error|missing|corrupt|warning' "$S/fsck"; then fail "fsck complains"; fi
  eq "$(git status --porcelain)" "" "changed files"
}

check git_clone_commit_gc 'clone, commit, mv, gc, checkout, push' needs=git heavy
git_clone_commit_gc() {
  configure_git
  new_repository "$S/src"
  git clone -q "file://$S/src" r
  cd r
  echo more >>dir1/sub/note.txt
  git commit -qam two
  git mv dir4/f1 dir4/g1
  git commit -qm three
  git gc -q
  eq "$(git log --oneline | wc -l)" 3 commits
  git checkout -q HEAD~2
  git checkout -q main
  git push -q origin HEAD:refs/heads/pushed
  sound
}

check git_clone_local 'a local clone, which would make hard links' needs=git heavy
git_clone_local() {
  configure_git
  new_repository r
  git clone -q r s
  cd s
  sound
}

check git_branch_merge 'init, branches, merge, stash, repack' needs=git
git_branch_merge() {
  configure_git
  git init -q r
  cd r
  for i in 1 2 3; do echo "$i" >"f$i"; done
  git add -A
  git commit -qm a
  git checkout -qb b
  echo x >>f1
  git commit -qam b
  git checkout -q main
  echo y >>f2
  git commit -qam c
  git merge -q -m m b
  eq "$(cat f1 f2 | paste -sd,)" 1,x,2,y merged
  echo z >>f3
  git stash -q
  eq "$(cat f3)" 3 stashed
  git stash pop -q
  eq "$(paste -sd, f3)" 3,z popped
  git commit -qam d
  git repack -adq
  sound
}

check git_rebase_worktree 'rebase, worktree, tag, archive, clean' needs=git heavy
git_rebase_worktree() {
  configure_git
  git init -q r
  cd r
  echo base >base
  git add -A
  git commit -qm base
  git checkout -qb topic
  for i in 1 2 3; do
    echo "$i" >"t$i"
    git add -A
    git commit -qm "t$i"
  done
  git checkout -q main
  echo main >main
  git add -A
  git commit -qm main
  git rebase -q main topic
  eq "$(git log --format=%s | paste -sd,)" t3,t2,t1,main,base history
  git worktree add -q ../w main
  eq "$(cat ../w/main)" main
  git worktree remove ../w
  git tag v1
  git archive v1 | tar t | sort | paste -sd, >"$S/l"
  eq "$(cat "$S/l")" base,main,t1,t2,t3 archive
  mkdir junk
  : >junk/x
  git clean -qfdx
  [ ! -e junk ] || fail "git clean left junk"
  sound
}

check git_bare_push 'a bare repository in the mount, pushed to and cloned from' needs=git
git_bare_push() {
  configure_git
  git init -q --bare bare.git
  new_repository "$S/src"
  git -C "$S/src" push -q "$PWD/bare.git" main
  echo two >"$S/src/two"
  git -C "$S/src" add -A
  git -C "$S/src" commit -qm two
  git -C "$S/src" push -q "$PWD/bare.git" main
  git clone -q "file://$PWD/bare.git" "$S/copy"
  eq "$(cat "$S/copy/two")" two
  git -C bare.git fsck --strict --no-progress
}

check git_apply 'diff, apply and am' needs=git
git_apply() {
  configure_git
  git init -q r
  cd r
  seq 100 >a
  git add -A
  git commit -qm a
  sed -i 's/^50$/fifty/' a
  git diff >"$S/p"
  git checkout -q a
  git apply "$S/p"
  git commit -qam 'fifty'
  git format-patch -q -1 -o "$S/out"
  git reset -q --hard HEAD~
  git am -q "$S"/out/*.patch
  eq "$(sed -n 50p a)" fifty
  sound
}
