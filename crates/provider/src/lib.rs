//! An opened credential becomes an injection.
